// A pool of threads that share out the pieces of one job.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace soul {

// Used by one thread at a time, the dispatcher's. Threads start when they are first needed and sleep between
// jobs.
class ThreadPool {
 public:
  // Threads that the process may run on, or SOUL_THREADS.
  static int DefaultThreads();

  explicit ThreadPool(int threads = DefaultThreads()) : threads_(threads) {}
  ~ThreadPool() { Stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }
  // Takes effect at the next job.
  void set_threads(int threads);

  // Calls work(piece, worker) for every piece in [0, pieces), on this thread (worker 0) and the others, and
  // returns when all are done. Which worker takes which piece is chance; `work` must not throw.
  template <typename Work>
  void ForEach(int64_t pieces, const Work& work) {
    Run(
        pieces,
        [](const void* context, int64_t piece, int worker) {
          (*static_cast<const Work*>(context))(piece, worker);
        },
        &work);
  }

 private:
  using Call = void (*)(const void* context, int64_t piece, int worker);

  void Run(int64_t pieces, Call call, const void* context);
  void Start();
  void Stop();
  void Loop(int worker, uint64_t seen);
  void TakePieces(int worker);

  int threads_;
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
