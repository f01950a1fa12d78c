#include "runtime/cuda/queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/cuda/pinned_pool.h"

namespace soul::cuda {
namespace {

Address AddressOf(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory);
}

constexpr std::size_t kScratchAlignment = 256;

std::size_t Aligned(std::size_t bytes) {
  return (bytes + kScratchAlignment - 1) / kScratchAlignment * kScratchAlignment;
}

}  // namespace

PinnedMemory::~PinnedMemory() {
  pool_->Return(data_, bytes_);
}

Queue::Queue(Device& device) : device_(device), pinned_(std::make_shared<PinnedPool>()) {
  device_.Use();
  Check(TheDriver().cuEventCreate(&order_, kEventDisableTiming), "cuEventCreate");
}

Queue::~Queue() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  if (completion_.joinable()) completion_.join();
  const Driver& driver = TheDriver();
  // Where the device is gone, so is what it held.
  if (driver.cuCtxSetCurrent(device_.context()) != kSuccess) return;
  for (void* memory : outgrown_) device_.Free(memory);
  device_.Free(scratch_);
  for (const Event event : free_events_) driver.cuEventDestroy_v2(event);
  driver.cuEventDestroy_v2(order_);
  last_time_.reset();
}

void Queue::Order(Stream earlier, Stream later) {
  if (earlier == later) return;
  const Driver& driver = TheDriver();
  device_.Use();
  Check(driver.cuEventRecord(order_, earlier), "cuEventRecord");
  Check(driver.cuStreamWaitEvent(later, order_, 0), "cuStreamWaitEvent");
}

void Queue::UseStream(Stream stream) {
  Order(stream_, stream);
  stream_ = stream;
}

void Queue::HandOver(Stream other) {
  Order(stream_, other);
}

void Queue::TakeOver(Stream other) {
  Order(other, stream_);
}

void* Queue::Scratch(std::size_t bytes) {
  const std::size_t needed = Aligned(std::max<std::size_t>(bytes, 1));
  if (needed > scratch_bytes_ - scratch_used_) {
    const std::size_t size = std::max({needed, 2 * scratch_bytes_, std::size_t{1} << 20});
    void* memory = device_.Allocate(size);
    if (scratch_ != nullptr) outgrown_.push_back(scratch_);
    scratch_ = static_cast<char*>(memory);
    scratch_bytes_ = size;
    scratch_used_ = 0;
  }
  char* memory = scratch_ + scratch_used_;
  scratch_used_ += needed;
  return memory;
}

int32_t Queue::Threads() const {
  return forced_threads_ > 0 ? forced_threads_ : device_.tuning().threads;
}

int64_t Queue::BlocksFor(int64_t tiles) const {
  if (forced_blocks_ > 0) return forced_blocks_;
  const int64_t full = int64_t{device_.description().multiprocessors} * device_.tuning().blocks;
  return std::clamp<int64_t>(tiles, 1, std::max<int64_t>(full, 1));
}

void Queue::ForceShape(int32_t threads, int64_t blocks) {
  forced_threads_ = threads;
  forced_blocks_ = blocks;
}

void Queue::LaunchRaw(Stream stream, DeviceCode code, const char* name, int64_t blocks, int32_t threads,
                      const void* parameters) {
  device_.Use();
  const Function function = device_.Find(code, name);
  void* arguments[] = {const_cast<void*>(parameters)};
  Check(TheDriver().cuLaunchKernel(function, static_cast<unsigned>(blocks), 1, 1,
                                   static_cast<unsigned>(threads), 1, 1, 0, stream, arguments, nullptr),
        "cuLaunchKernel");
}

void Queue::CopyOnDevice(void* target, const void* source, std::size_t bytes) {
  if (bytes == 0 || target == source) return;
  device_.Use();
  Check(TheDriver().cuMemcpyDtoDAsync_v2(AddressOf(target), AddressOf(source), bytes, stream_),
        "cuMemcpyDtoDAsync");
}

void Queue::CopyToDevice(void* target, const void* source, std::size_t bytes) {
  if (bytes == 0) return;
  device_.Use();
  Check(TheDriver().cuMemcpyHtoDAsync_v2(AddressOf(target), source, bytes, stream_), "cuMemcpyHtoDAsync");
  Synchronize();
}

void Queue::CopyFromDevice(void* target, const void* source, std::size_t bytes) {
  if (bytes == 0) return;
  device_.Use();
  Check(TheDriver().cuMemcpyDtoHAsync_v2(target, AddressOf(source), bytes, stream_), "cuMemcpyDtoHAsync");
  Synchronize();
}

void Queue::CopyFromOtherDevice(void* target, Queue& other, const void* source, std::size_t bytes) {
  if (bytes == 0) return;
  const Driver& driver = TheDriver();
  other.device_.Use();
  Check(driver.cuEventRecord(other.order_, other.stream_), "cuEventRecord");
  device_.Use();
  Check(driver.cuStreamWaitEvent(stream_, other.order_, 0), "cuStreamWaitEvent");
  Check(driver.cuMemcpyPeerAsync(AddressOf(target), device_.context(), AddressOf(source),
                                 other.device_.context(), bytes, stream_),
        "cuMemcpyPeerAsync");
  Check(driver.cuEventRecord(order_, stream_), "cuEventRecord");
  other.device_.Use();
  Check(driver.cuStreamWaitEvent(other.stream_, order_, 0), "cuStreamWaitEvent");
  device_.Use();
}

void Queue::Fill(void* target, uint32_t bits, std::size_t element_bytes, std::size_t count) {
  if (count == 0) return;
  device_.Use();
  const Driver& driver = TheDriver();
  const Address address = AddressOf(target);
  if (element_bytes == 1) {
    Check(driver.cuMemsetD8Async(address, static_cast<unsigned char>(bits), count, stream_),
          "cuMemsetD8Async");
  } else if (element_bytes == 2) {
    Check(driver.cuMemsetD16Async(address, static_cast<unsigned short>(bits), count, stream_),
          "cuMemsetD16Async");
  } else {
    Check(driver.cuMemsetD32Async(address, bits, count, stream_), "cuMemsetD32Async");
  }
}

std::shared_ptr<const PinnedMemory> Queue::Pinned(std::size_t bytes) {
  device_.Use();
  return std::make_shared<const PinnedMemory>(pinned_, pinned_->Take(bytes), bytes);
}

void Queue::ReadInto(const PinnedMemory& target, const void* source, std::size_t bytes) {
  device_.Use();
  Check(TheDriver().cuMemcpyDtoHAsync_v2(target.data(), AddressOf(source), bytes, stream_),
        "cuMemcpyDtoHAsync");
}

std::shared_ptr<const PinnedMemory> Queue::Read(const void* source, std::size_t bytes) {
  std::shared_ptr<const PinnedMemory> result = Pinned(bytes);
  ReadInto(*result, source, bytes);
  return result;
}

void Queue::Upload(void* target, const void* source, std::size_t bytes) {
  if (bytes == 0) return;
  device_.Use();
  uploaded_.push_back(Pinned(bytes));
  void* const piece = uploaded_.back()->data();
  std::memcpy(piece, source, bytes);
  Check(TheDriver().cuMemcpyHtoDAsync_v2(AddressOf(target), piece, bytes, stream_), "cuMemcpyHtoDAsync");
}

std::shared_ptr<CUevent_st> Queue::RecordTime() {
  const Driver& driver = TheDriver();
  Event event = nullptr;
  Check(driver.cuEventCreate(&event, kEventBlockingSync), "cuEventCreate");
  std::shared_ptr<CUevent_st> held(event, [](Event gone) { TheDriver().cuEventDestroy_v2(gone); });
  Check(driver.cuEventRecord(event, stream_), "cuEventRecord");
  return held;
}

std::function<double()> Queue::Time() {
  device_.Use();
  if (!last_time_) {
    last_time_ = RecordTime();
    milliseconds_ = std::make_shared<double>(0);
  }
  std::shared_ptr<CUevent_st> before = std::exchange(last_time_, RecordTime());
  // From one to the next: the driver tells a float, which would be coarse for the time since the first.
  return [before = std::move(before), now = last_time_, total = milliseconds_] {
    float milliseconds = 0;
    Check(TheDriver().cuEventElapsedTime(&milliseconds, before.get(), now.get()), "cuEventElapsedTime");
    return *total += static_cast<double>(milliseconds);
  };
}

void Queue::Synchronize() {
  device_.Use();
  Check(TheDriver().cuStreamSynchronize(stream_), "cuStreamSynchronize");
}

Event Queue::TakeEvent() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_events_.empty()) {
      const Event event = free_events_.back();
      free_events_.pop_back();
      return event;
    }
  }
  Event event = nullptr;
  Check(TheDriver().cuEventCreate(&event, kEventBlockingSync | kEventDisableTiming), "cuEventCreate");
  return event;
}

void Queue::Await(std::function<void(std::exception_ptr)> done) {
  device_.Use();
  // What could fail comes before anything is handed over.
  if (!completion_.joinable()) completion_ = std::thread(&Queue::Complete, this);
  std::list<Waiting> waiting;
  waiting.push_back({nullptr, {}, {}, std::move(done)});
  waiting.front().event = TakeEvent();
  const Event event = waiting.front().event;
  const Result recorded = TheDriver().cuEventRecord(event, stream_);
  if (recorded != kSuccess) {
    TheDriver().cuEventDestroy_v2(event);
    Check(recorded, "cuEventRecord");
  }
  waiting.front().outgrown.swap(outgrown_);
  waiting.front().uploaded.swap(uploaded_);
  scratch_used_ = 0;
  {
    const std::lock_guard lock(mutex_);
    waiting_.splice(waiting_.end(), waiting);
  }
  wake_.notify_one();
}

void Queue::Complete() {
  const Driver& driver = TheDriver();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::list<Waiting> next;
    next.splice(next.end(), waiting_, waiting_.begin());
    lock.unlock();
    Waiting& waiting = next.front();
    std::exception_ptr error;
    try {
      device_.Use();
      Check(driver.cuEventSynchronize(waiting.event), "work on the device");
    } catch (...) {
      error = std::current_exception();
    }
    waiting.done(error);
    for (void* memory : waiting.outgrown) device_.Free(memory);
    const Event event = waiting.event;
    // What the job held may be freed with it, which takes its time.
    next.clear();
    lock.lock();
    free_events_.push_back(event);
  }
}

}  // namespace soul::cuda
