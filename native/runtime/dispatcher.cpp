#include "runtime/dispatcher.h"

#include <iterator>
#include <new>
#include <system_error>

namespace soul {

std::unique_ptr<Dispatcher> Dispatcher::Create(napi_env env) {
  std::unique_ptr<Dispatcher> dispatcher(new Dispatcher(env));
  napi_value name;
  if (napi_create_string_utf8(env, "soul.dispatcher", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, dispatcher.get(),
                                      OnFinished, &dispatcher->finished_signal_) != napi_ok ||
      napi_unref_threadsafe_function(env, dispatcher->finished_signal_) != napi_ok) {
    return nullptr;
  }
  return dispatcher;
}

bool Dispatcher::Post(Run run, Complete complete, void* context) {
  {
    std::lock_guard lock(mutex_);
    if (closing_) return false;
    try {
      if (!thread_.joinable()) thread_ = std::thread(&Dispatcher::Loop, this);
      queued_.push_back({run, complete, context});
    } catch (const std::system_error&) {
      return false;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  wake_.notify_one();
  ran_here_ = 0;
  CountPending();
  return true;
}

Dispatcher::Job* Dispatcher::PostHeld(Complete complete, void* context) {
  Job* job = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (closing_) return nullptr;
    try {
      running_.push_back({nullptr, complete, context});
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    job = &running_.back();
    job->self = std::prev(running_.end());
    job->holds = 1;
  }
  CountPending();
  return job;
}

void Dispatcher::CountPending() {
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, finished_signal_);
}

bool Dispatcher::MayRunHere() {
  // A loop that awaits nothing but such jobs would keep timers and input waiting.
  constexpr int kMostInARow = 64;
  if (pending_ > 0 || closing_ || ran_here_ >= kMostInARow) return false;
  ++ran_here_;
  return true;
}

bool Dispatcher::MayEnqueueHere() {
  // A device takes so many launches before it keeps waiting who enqueues the next: not the JavaScript thread.
  constexpr std::size_t kMostHeld = 32;
  std::lock_guard lock(mutex_);
  return queued_.empty() && current_ == nullptr && !closing_ && running_.size() < kMostHeld;
}

Dispatcher::Job* Dispatcher::Hold() {
  std::lock_guard lock(mutex_);
  ++current_->holds;
  return current_;
}

void Dispatcher::Release(Job* job) {
  std::lock_guard lock(mutex_);
  ReleaseLocked(job);
}

void Dispatcher::ReleaseLocked(Job* job) {
  if (--job->holds > 0) return;
  finished_.splice(finished_.end(), running_, job->self);
  // One signal carries all that finished since the last one was taken.
  if (finished_.size() == 1 && !closing_) {
    napi_call_threadsafe_function(finished_signal_, nullptr, napi_tsfn_nonblocking);
  }
}

void Dispatcher::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closing_ || !queued_.empty(); });
    if (closing_) return;
    running_.splice(running_.end(), queued_, queued_.begin());
    Job* job = &running_.back();
    job->self = std::prev(running_.end());
    job->holds = 1;
    current_ = job;
    lock.unlock();
    job->run(job->context);
    lock.lock();
    current_ = nullptr;
    ReleaseLocked(job);
  }
}

void Dispatcher::OnFinished(napi_env env, napi_value, void* dispatcher, void*) {
  // Without an environment JavaScript cannot run: ShutDown frees what is left.
  if (env != nullptr) static_cast<Dispatcher*>(dispatcher)->CompleteFinished();
}

void Dispatcher::CompleteFinished() {
  std::list<Job> finished;
  {
    std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const Job& job : finished) {
    if (--pending_ == 0) napi_unref_threadsafe_function(env_, finished_signal_);
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    job.complete(job.context, true);
    if (scope != nullptr) napi_close_handle_scope(env_, scope);
  }
}

void Dispatcher::ShutDown(const std::function<void()>& drain) {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  drain();
  // No other thread is left: no lock is needed. The signal itself is closed by the environment, which made
  // it.
  for (std::list<Job>* jobs : {&finished_, &running_, &queued_}) {
    while (!jobs->empty()) {
      const Job job = jobs->front();
      jobs->pop_front();
      if (pending_ > 0) --pending_;
      job.complete(job.context, false);
    }
  }
}

}  // namespace soul
