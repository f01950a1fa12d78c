// A pool of threads that share out the pieces of one job.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace soul {

// Used by one thread at a time: the dispatcher's, or the one that runs a short job in its place. A job starts
// and wakes as many threads as it has pieces for; they sleep between jobs.
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
  // Workers that so many pieces are shared among, at most.
  int WorkersFor(int64_t pieces, int64_t fewest = kFewestPieces) const {
    return pieces < fewest ? 1 : static_cast<int>(std::min(pieces, int64_t{threads()}));
  }
  // Takes effect at the next job.
  void set_threads(int threads);

  // Calls work(piece, worker) for every piece in [0, pieces), on this thread (worker 0) and others, and
  // returns when all are done. `worker` is below WorkersFor(pieces, fewest), and no two threads have the same
  // at once; which worker takes which piece is chance. `work` must not throw. Fewer than `fewest` pieces are
  // not shared out.
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
  void Start(int helpers);
  void Stop();
  void Loop();
  void TakePieces(int worker);

  // Read by the JavaScript thread too.
  std::atomic<int> threads_;
  std::vector<std::thread> workers_;

  // One job, written before `places_` rises and read by workers after it.
  Call call_ = nullptr;
  const void* context_ = nullptr;
  int64_t pieces_ = 0;
  std::atomic<int64_t> next_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  int places_ = 0;  // helpers that the job under way still has room for, which is also the next one's number
  int busy_ = 0;    // helpers that have not finished it
  bool stopping_ = false;
};

}  // namespace soul
