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

void ThreadPool::Start() {
  // Fewer threads than wanted, where the system gives no more, are still a pool.
  try {
    while (static_cast<int>(workers_.size()) + 1 < threads_) {
      workers_.emplace_back(&ThreadPool::Loop, this, static_cast<int>(workers_.size()) + 1, job_);
    }
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
  if (WorkersFor(pieces, fewest) == 1) {
    for (int64_t piece = 0; piece < pieces; ++piece) call(context, piece, 0);
    return;
  }
  if (workers_.empty()) Start();
  {
    std::lock_guard lock(mutex_);
    call_ = call;
    context_ = context;
    pieces_ = pieces;
    next_.store(0, std::memory_order_relaxed);
    busy_ = static_cast<int>(workers_.size());
    ++job_;
  }
  wake_.notify_all();
  TakePieces(0);
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return busy_ == 0; });
}

void ThreadPool::Loop(int worker, uint64_t seen) {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || job_ != seen; });
    if (stopping_) return;
    seen = job_;
    lock.unlock();
    TakePieces(worker);
    lock.lock();
    if (--busy_ == 0) idle_.notify_one();
  }
}

}  // namespace soul
