// One environment's work on one device: launches and copies in the order of the calls, on one stream.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "runtime/cuda/device.h"

namespace soul::cuda {

class PinnedPool;

// Pinned host memory of a job. What it reads back into it is there when the job is done.
class PinnedMemory {
 public:
  PinnedMemory(std::shared_ptr<PinnedPool> pool, void* data, std::size_t bytes)
      : pool_(std::move(pool)), data_(data), bytes_(bytes) {}
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  template <typename T>
  const T* As() const {
    return static_cast<const T*>(data_);
  }
  void* data() const { return data_; }

 private:
  const std::shared_ptr<PinnedPool> pool_;
  void* const data_;
  const std::size_t bytes_;
};

// Used by one thread at a time: the dispatcher's, or the one that enqueues a job in its place. Every function
// throws DriverError where the driver refuses.
class Queue {
 public:
  explicit Queue(Device& device);
  // Waits for what is enqueued, and calls what awaits it.
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  Device& device() { return device_; }
  Stream stream() const { return stream_; }
  // From here on work goes to another stream, after what went to the one before. Null: the default stream.
  void UseStream(Stream stream);
  // For somebody else's work on a stream of their own: it begins after what is enqueued here; and what comes
  // here later begins after it.
  void HandOver(Stream other);
  void TakeOver(Stream other);

  // Device memory that belongs to the job that is being enqueued: it holds anything at first, and the next
  // job on this queue may be given the same. Aligned to 256 bytes.
  void* Scratch(std::size_t bytes);
  template <typename T>
  T* Scratch(int64_t count) {
    return static_cast<T*>(Scratch(static_cast<std::size_t>(count) * sizeof(T)));
  }

  // Threads of a block of a kernel that walks memory, and blocks for one that walks `tiles` in strides of the
  // grid: enough to fill the device, no more than there are tiles, at least one.
  int32_t Threads() const;
  int64_t BlocksFor(int64_t tiles) const;
  // Tests try several shapes; 0: the device's own.
  void ForceShape(int32_t threads, int64_t blocks);

  // Enqueues the kernel `name`; `parameters` are copied at once.
  template <typename Parameters>
  void Launch(DeviceCode code, const char* name, int64_t blocks, int32_t threads,
              const Parameters& parameters) {
    LaunchOn(stream_, code, name, blocks, threads, parameters);
  }
  template <typename Parameters>
  void LaunchOn(Stream stream, DeviceCode code, const char* name, int64_t blocks, int32_t threads,
                const Parameters& parameters) {
    static_assert(std::is_trivially_copyable_v<Parameters> && sizeof(Parameters) <= 4096);
    LaunchRaw(stream, code, name, blocks, threads, &parameters);
  }

  void CopyOnDevice(void* target, const void* source, std::size_t bytes);
  // From and to host memory: returns when that has been read, or written, so that the host's next work finds
  // it so.
  void CopyToDevice(void* target, const void* source, std::size_t bytes);
  void CopyFromDevice(void* target, const void* source, std::size_t bytes);
  // As CopyToDevice for what is small: copied at once, and no stream is waited for.
  void Upload(void* target, const void* source, std::size_t bytes);
  // Begins after what is enqueued on the source's queue, whose later work begins after it.
  void CopyFromOtherDevice(void* target, Queue& other, const void* source, std::size_t bytes);
  // `count` elements of 1, 2 or 4 bytes.
  void Fill(void* target, uint32_t bits, std::size_t element_bytes, std::size_t count);

  // What will have been copied from device memory when the job is done; no host memory is waited for.
  std::shared_ptr<const PinnedMemory> Read(const void* source, std::size_t bytes);

  // The two halves of Read, for those who must know beforehand that there is memory.
  std::shared_ptr<const PinnedMemory> Pinned(std::size_t bytes);
  void ReadInto(const PinnedMemory& target, const void* source, std::size_t bytes);

  // Milliseconds of the device's time at this place of the stream, since the first one asked for here; to be
  // called when the job is done, in the order of the calls.
  std::function<double()> Time();

  // Waits until everything enqueued is done.
  void Synchronize();

  // Ends the job: its scratch memory is free for the next. Calls done(error) when the device has come here,
  // on the queue's completion thread, in the order of the calls; `error` is null, or why the device failed.
  void Await(std::function<void(std::exception_ptr error)> done);

 private:
  struct Waiting {
    Event event;
    std::vector<void*> outgrown;                                // scratch memory that was too small
    std::vector<std::shared_ptr<const PinnedMemory>> uploaded;  // read by the device until then
    std::function<void(std::exception_ptr)> done;
  };

  void LaunchRaw(Stream stream, DeviceCode code, const char* name, int64_t blocks, int32_t threads,
                 const void* parameters);
  void Order(Stream earlier, Stream later);
  Event TakeEvent();
  std::shared_ptr<CUevent_st> RecordTime();
  void Complete();

  Device& device_;
  Stream stream_ = nullptr;
  int32_t forced_threads_ = 0;
  int64_t forced_blocks_ = 0;

  char* scratch_ = nullptr;
  std::size_t scratch_bytes_ = 0;
  std::size_t scratch_used_ = 0;
  std::vector<void*> outgrown_;
  std::vector<std::shared_ptr<const PinnedMemory>> uploaded_;
  std::shared_ptr<PinnedPool> pinned_;
  Event order_ = nullptr;
  // The last event of Time, and the milliseconds up to the last that was read.
  std::shared_ptr<CUevent_st> last_time_;
  std::shared_ptr<double> milliseconds_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Waiting> waiting_;
  std::vector<Event> free_events_;
  bool closing_ = false;
  std::thread completion_;
};

}  // namespace soul::cuda
