// One thread per Node environment that runs native jobs in the order of the calls.
#pragma once

#include <node_api.h>

#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace soul {

// Jobs never wait in libuv's pool, so file reads and optimizer steps don't hold each other up. The process
// stays alive while a job is pending and may exit when none is. All members are called on the JavaScript
// thread.
class Dispatcher {
 public:
  using Run = void (*)(void* context);
  using Complete = void (*)(void* context, bool ran);

  // Null when the environment cannot give a thread-safe function.
  static std::unique_ptr<Dispatcher> Create(napi_env env);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Queues a job; false, and nothing is called, when the environment shuts down or no thread can be started.
  bool Post(Run run, Complete complete, void* context);

  // Whether a short job may run on the JavaScript thread instead, in its turn: nothing is pending, and the
  // event loop has had its own turn not long ago.
  bool MayRunHere();

  // Whether the environment shuts down.
  bool closing() const { return closing_; }

  // Cancels what is queued, waits for the job that runs, then completes every outstanding job with ran =
  // false.
  void ShutDown();

 private:
  struct Job {
    Run run;
    Complete complete;
    void* context;
  };

  explicit Dispatcher(napi_env env) : env_(env) {}
  void Loop();
  void CompleteFinished();
  static void OnFinished(napi_env env, napi_value callback, void* dispatcher, void* data);

  const napi_env env_;
  napi_threadsafe_function finished_signal_ = nullptr;
  std::thread thread_;
  // Touched by the JavaScript thread alone.
  std::size_t pending_ = 0;  // jobs posted and not completed
  int ran_here_ = 0;         // jobs since the last one that was posted

  std::mutex mutex_;
  std::condition_variable wake_;
  // Lists, so that a job moves from one to the other without an allocation that could fail.
  std::list<Job> queued_;
  std::list<Job> finished_;
  bool closing_ = false;
};

}  // namespace soul
