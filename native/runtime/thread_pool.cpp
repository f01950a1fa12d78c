#include "runtime/thread_pool.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>

namespace soul {
int ThreadPool::DefaultThreads() {
  const char* wanted = std::getenv("SOUL_THREADS");
  const int number = wanted == nullptr ? 0 : std::atoi(wanted);
  const int threads = number > 0 ? number : static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(threads, 1, kMostThreads);
}

void ThreadPool::set_threads(int threads) {
  threads = std::clamp(threads, 1, kMostThreads);
  if (threads == this->threads()) return;
  Stop();
  threads_ = threads;
}

void ThreadPool::Start(int helpers) {
  // Fewer threads than wanted, where the system gives no more, are still a pool.
  try {
    while (static_cast<int>(workers_.size()) < helpers) workers_.emplace_back(&ThreadPool::Loop, this);
  } catch (const std::system_error&) {
    threads_ = static_cast<int>(workers_.size()) + 1;
  }
}

void ThreadPool::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
  stopping_ = false;
}

void ThreadPool::TakePieces(int worker) {
  while (true) {
    const int64_t piece = next_.fetch_add(1, std::memory_order_relaxed);
    if (piece >= pieces_) return;
    call_(context_, piece, worker);
  }
}

void ThreadPool::Run(int64_t pieces, int64_t fewest, Call call, const void* context) {
  const int wanted = WorkersFor(pieces, fewest) - 1;
  Start(wanted);
  const int helpers = std::min(wanted, static_cast<int>(workers_.size()));
  if (helpers == 0) {
    for (int64_t piece = 0; piece < pieces; ++piece) call(context, piece, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    call_ = call;
    context_ = context;
    pieces_ = pieces;
    next_.store(0, std::memory_order_relaxed);
    places_ = helpers;
  }
  if (helpers == static_cast<int>(workers_.size())) {
    wake_.notify_all();
  } else {
    for (int i = 0; i < helpers; ++i) wake_.notify_one();
  }
  TakePieces(0);
  std::unique_lock lock(mutex_);
  // Who has not woken up by now has nothing left to do, and is not waited for.
  places_ = 0;
  idle_.wait(lock, [this] { return busy_ == 0; });
}

void ThreadPool::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || places_ > 0; });
    if (stopping_) return;
    const int worker = places_--;
    ++busy_;
    lock.unlock();
    TakePieces(worker);
    lock.lock();
    // No piece is left: a second place in the same job would be for nothing.
    places_ = 0;
    if (--busy_ == 0) idle_.notify_one();
  }
}

}  // namespace soul
