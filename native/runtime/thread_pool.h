// A pool of threads that share out the pieces of one job.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace soul {

// Used by one thread at a time: the dispatcher's, or the one that runs a short job in its place. Threads
// start when they are first needed and sleep between jobs.
class ThreadPool {
 public:
  static constexpr int kMostThreads = 256;
  // Fewer small pieces are done before another thread has woken up.
  static constexpr int64_t kFewestPieces = 4;

  // As many threads as the system says it has processors for, or SOUL_THREADS.
  static int DefaultThreads();

  explicit ThreadPool(int threads = DefaultThreads()) : threads_(threads) {}
  ~ThreadPool() { Stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_.load(std::memory_order_relaxed); }
  // Workers that so many pieces are shared among.
  int WorkersFor(int64_t pieces, int64_t fewest = kFewestPieces) const {
    return pieces < fewest ? 1 : threads();
  }
  // Takes effect at the next job.
  void set_threads(int threads);

  // Calls work(piece, worker) for every piece in [0, pieces), on this thread (worker 0) and the others, and
  // returns when all are done. Which worker takes which piece is chance; `work` must not throw. Fewer than
  // `fewest` pieces are not shared out.
  template <typename Work>
  void ForEach(int64_t pieces, const Work& work, int64_t fewest = kFewestPieces) {
    Run(
        pieces, fewest,
        [](const void* context, int64_t piece, int worker) {
          (*static_cast<const Work*>(context))(piece, worker);
        },
        &work);
  }

 private:
  using Call = void (*)(const void* context, int64_t piece, int worker);

  void Run(int64_t pieces, int64_t fewest, Call call, const void* context);
  void Start();
  void Stop();
  void Loop(int worker, uint64_t seen);
  void TakePieces(int worker);

  // Read by the JavaScript thread too.
  std::atomic<int> threads_;
  std::vector<std::thread> workers_;

  // One job, written before `job_` rises and read by workers after it.
  Call call_ = nullptr;
  const void* context_ = nullptr;
  int64_t pieces_ = 0;
  std::atomic<int64_t> next_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  uint64_t job_ = 0;  // number of the job under way
  int busy_ = 0;      // workers that have not finished it
  bool stopping_ = false;
};

}  // namespace soul
