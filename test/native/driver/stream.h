// Streams and events of the stand-in driver: a stream does its work in turn, on a thread of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace soul::emulated {

// One recording of an event: the stream has come there, or not yet.
class Moment {
 public:
  void Come();
  void Wait();
  bool has_come();
  std::chrono::steady_clock::time_point time();

 private:
  std::mutex mutex_;
  std::condition_variable come_;
  bool has_come_ = false;
  std::chrono::steady_clock::time_point time_;
};

// Lives until the process ends, as does its thread.
class WorkStream {
 public:
  void Enqueue(std::function<void()> task);
  // Waits until all that is enqueued now is done.
  void Wait();

 private:
  void Work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  uint64_t enqueued_ = 0;
  uint64_t done_ = 0;
  bool working_ = false;
};

}  // namespace soul::emulated

// The driver's own names for what its handles point to.
struct CUevent_st {
  int device = 0;
  unsigned flags = 0;
  std::mutex mutex;
  std::shared_ptr<soul::emulated::Moment> latest;  // null until it is recorded
};
