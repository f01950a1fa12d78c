// One environment's work on one device: launches and copies in the order of the calls, on one stream.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/memory.h"
#include "runtime/cuda/device.h"

namespace soul::cuda {

// Pinned host memory for what a job reads back. What it holds is there when the device has come past the
// copies that were enqueued into it.
class HostResult {
 public:
  template <typename T>
  const T* As() const {
    return static_cast<const T*>(data_);
  }

 private:
  friend class Queue;
  friend class ResultPool;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Lives as long as its environment. Everything but Await is called by one thread at a time: the dispatcher's,
// or the one that runs a job in its place; the device's context is current while a job runs (Device::Use).
// Every function throws DriverError where the driver refuses.
class Queue {
 public:
  explicit Queue(Device& device);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  Device& device() { return device_; }
  Stream stream() const { return stream_; }
  // From here on work goes to another stream, after what went to the one before.
  void UseStream(Stream stream);
  // For work of somebody else on a stream of their own: it begins after what is enqueued here, and what comes
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

  // Blocks of `threads` for a kernel that walks `tiles` in strides of the grid: enough to fill the device, no
  // more than there are tiles, at least one.
  int64_t BlocksFor(int64_t tiles, int32_t blocks_per_multiprocessor) const;
  // Threads of a block of a kernel that walks memory.
  int32_t Threads() const;
  // Tests try several shapes; 0: the device's own.
  void ForceShape(int32_t threads, int64_t blocks);

  // Enqueues kernel `name` of device code `code`; `parameters` are copied at once.
  template <typename Parameters>
  void Launch(DeviceCode code, const char* name, int64_t blocks, int32_t threads,
              const Parameters& parameters) {
    static_assert(std::is_trivially_copyable_v<Parameters> && sizeof(Parameters) <= 4096);
    LaunchRaw(code, name, blocks, threads, &parameters);
  }

  void CopyOnDevice(void* target, const void* source, std::size_t bytes);
  // From and to ordinary host memory: returns when the host memory has been read, or written.
  void CopyToDevice(void* target, const void* source, std::size_t bytes);
  void CopyFromDevice(void* target, const void* source, std::size_t bytes);
  void CopyFromOtherDevice(void* target, Queue& other, const void* source, std::size_t bytes);
  // `count` elements of 1, 2 or 4 bytes.
  void Fill(void* target, uint32_t bits, std::size_t element_bytes, std::size_t count);

  // What will have been copied from device memory when the job is done.
  std::shared_ptr<const HostResult> ReadBack(const void* source, std::size_t bytes);

  // Waits until everything enqueued is done.
  void Synchronize();

  // Ends the job: its scratch memory is free for the next. Calls done(error) when the device has come here,
  // on this device's completion thread, in the order of the calls; `error` is null, or why the device failed.
  void Await(std::function<void(std::exception_ptr error)> done);

 private:
  void LaunchRaw(DeviceCode code, const char* name, int64_t blocks, int32_t threads, const void* parameters);

  struct Waiting {
    Event event;
    std::function<void(std::exception_ptr)> done;
  };
  struct Block {
    void* memory;
    std::size_t bytes;
  };

  void Complete();
  Event TakeEvent();
  void ReturnEvent(Event event);

  Device& device_;
  Stream stream_ = nullptr;
  int32_t forced_threads_ = 0;
  int64_t forced_blocks_ = 0;

  std::vector<Block> scratch_;  // the last is the one in use, earlier ones were too small
  std::size_t scratch_used_ = 0;
  std::shared_ptr<class ResultPool> results_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Waiting> waiting_;
  std::vector<Event> free_events_;
  bool closing_ = false;
  std::thread completion_;
};

}  // namespace soul::cuda
