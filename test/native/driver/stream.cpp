#include "driver/stream.h"

#include <thread>

namespace soul::emulated {

void Moment::Come() {
  const std::lock_guard lock(mutex_);
  has_come_ = true;
  time_ = std::chrono::steady_clock::now();
  come_.notify_all();
}

void Moment::Wait() {
  std::unique_lock lock(mutex_);
  come_.wait(lock, [this] { return has_come_; });
}

bool Moment::has_come() {
  const std::lock_guard lock(mutex_);
  return has_come_;
}

std::chrono::steady_clock::time_point Moment::time() {
  const std::lock_guard lock(mutex_);
  return time_;
}

void WorkStream::Enqueue(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (!working_) {
    working_ = true;
    std::thread([this] { Work(); }).detach();
  }
  tasks_.push_back(std::move(task));
  ++enqueued_;
  changed_.notify_all();
}

void WorkStream::Wait() {
  std::unique_lock lock(mutex_);
  const uint64_t upto = enqueued_;
  changed_.wait(lock, [this, upto] { return done_ >= upto; });
}

void WorkStream::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !tasks_.empty(); });
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
    ++done_;
    changed_.notify_all();
  }
}

}  // namespace soul::emulated
