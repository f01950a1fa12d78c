// A call that runs on the dispatcher, or at once when it is short and nothing is pending, and settles a
// promise.
#pragma once

#include <napi.h>

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/cuda/queues.h"
#include "runtime/dispatcher.h"
#include "runtime/interface.h"
#include "runtime/thread_pool.h"

namespace soul {

// Device memory that was given up and is not free yet: jobs may still use it.
class PendingReleases {
 public:
  // One of them, on any thread: until it is done with, or gone.
  class Release {
   public:
    explicit Release(PendingReleases& all) : all_(all) { all_.Count(1); }
    ~Release() { Done(); }
    Release(const Release&) = delete;
    Release& operator=(const Release&) = delete;

    void Done() {
      if (!std::exchange(done_, true)) all_.Count(-1);
    }

   private:
    PendingReleases& all_;
    bool done_ = false;
  };

  // Whether there were any that are free now. Where a device fails they may never be: then it gives up.
  bool Wait() {
    constexpr std::chrono::seconds kLongest(10);
    std::unique_lock lock(mutex_);
    return pending_ > 0 && free_.wait_for(lock, kLongest, [this] { return pending_ == 0; });
  }

 private:
  void Count(int64_t more) {
    {
      const std::lock_guard lock(mutex_);
      pending_ += more;
    }
    free_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable free_;
  int64_t pending_ = 0;
};

// What one environment owns; lives in its instance data.
struct Environment {
  // Used by jobs in their turn alone; both outlive the dispatcher.
  ThreadPool pool;
  cuda::Queues queues;
  std::unique_ptr<Dispatcher> dispatcher;
  PendingReleases releases;
  SoulInterface interface{};
};

// A code of lib/core/errors.ts and a sentence; TypeScript makes the SoulError.
struct Failure {
  const char* code = nullptr;
  std::string message;
};

// How a job ended: with a failure, or with numbers (none: the promise resolves to undefined).
struct Outcome {
  Failure failure;
  std::vector<double> numbers;
  // Called on the JavaScript thread before the promise is settled: writes to memory that JavaScript reads
  // while jobs run. Null: nothing.
  std::function<void()> before_settling{};

  static Outcome Failed(const char* code, std::string message) {
    return {{code, std::move(message)}, {}, nullptr};
  }
};

// Throws a JavaScript error with a code.
[[noreturn]] void ThrowFailure(Napi::Env env, const char* code, const std::string& message);

// Calls `call`, whose DriverErrors become JavaScript errors.
template <typename Call>
void CallDriver(Napi::Env env, const Call& call) {
  try {
    call();
  } catch (const cuda::DriverError& error) {
    ThrowFailure(env, error.code(), error.what());
  }
}

Environment& EnvironmentOf(Napi::Env env);
// The threads for jobs of this environment.
ThreadPool& PoolOf(Napi::Env env);

// Elements of work that take no longer than waking a thread for them.
constexpr int64_t kShortWork = 8192;
constexpr int64_t kLongWork = INT64_MAX;

// Runs `run` on the dispatcher and returns a promise; `held` values stay alive until it is done. An exception
// that escapes `run` rejects the promise. Work on at most kShortWork elements is done at once where nothing
// else is pending.
Napi::Value PostWork(Napi::Env env, const std::vector<Napi::Value>& held, std::function<Outcome()> run,
                     int64_t elements = kLongWork);

// What a job on a device gives once the device is done; empty: undefined.
using DeviceOutcome = std::function<Outcome()>;
using EnqueueOnDevice = std::function<DeviceOutcome(cuda::Queue& queue)>;

// Calls `enqueue` in its turn, at once where nothing that was posted before still has to run. When the device
// has done what was enqueued, what it returned is called on the device's completion thread, and the promise
// settles with the outcome. Exceptions reject the promise.
Napi::Value PostDeviceWork(Napi::Env env, const std::vector<Napi::Value>& held, int32_t device,
                           EnqueueOnDevice enqueue);

// As PostDeviceWork, for what nobody waits for.
void PostDeviceWorkUnseen(Napi::Env env, const std::vector<Napi::Value>& held, int32_t device,
                          EnqueueOnDevice enqueue);

// Resolves when everything posted before is done, on devices too.
Napi::Value PostFence(Napi::Env env);

}  // namespace soul
