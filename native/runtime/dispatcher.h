// One thread per Node environment that runs native jobs in the order of the calls.
#pragma once

#include <node_api.h>

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace soul {

// Jobs never wait in libuv's pool, so file reads and optimizer steps don't hold each other up. The process
// stays alive while a job is pending and may exit when none is. All members are called on the JavaScript
// thread, but for those that say otherwise.
class Dispatcher {
 public:
  using Run = void (*)(void* context);
  using Complete = void (*)(void* context, bool ran);
  struct Job;

  // Null when the environment cannot give a thread-safe function.
  static std::unique_ptr<Dispatcher> Create(napi_env env);
  ~Dispatcher() = default;
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Queues a job; false, and nothing is called, when the environment shuts down or no thread can be started.
  bool Post(Run run, Complete complete, void* context);

  // Whether a short job may run on the JavaScript thread instead, in its turn: nothing is pending, and the
  // event loop has had its own turn not long ago.
  bool MayRunHere();

  // Whether work that only enqueues, for a device, may be done on the JavaScript thread, in its turn: all
  // jobs posted before have run, though some may wait for the device, but not too many.
  bool MayEnqueueHere();

  // A job that has run on the JavaScript thread and is complete after Release. Null when the environment
  // shuts down or memory is out.
  Job* PostHeld(Complete complete, void* context);

  // Within a job on the dispatcher's thread: it is complete only after one more Release.
  Job* Hold();
  // On any thread.
  void Release(Job* job);

  // Whether the environment shuts down.
  bool closing() const { return closing_; }

  // Cancels what is queued, waits for the job that runs, calls `drain`, which must see to it that held jobs
  // are released, then completes every outstanding job with ran = false.
  void ShutDown(const std::function<void()>& drain);

  // Only pointers to it mean something outside.
  struct Job {
    Run run;
    Complete complete;
    void* context;
    int holds = 0;  // what it waits for; its own run counts as one
    std::list<Job>::iterator self{};
  };

 private:
  explicit Dispatcher(napi_env env) : env_(env) {}
  void Loop();
  void ReleaseLocked(Job* job);
  void CountPending();
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
  std::list<Job> running_;  // the one that runs, and those that wait for something
  std::list<Job> finished_;
  Job* current_ = nullptr;
  bool closing_ = false;
};

}  // namespace soul
