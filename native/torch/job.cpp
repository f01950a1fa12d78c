#include "job.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <new>
#include <optional>

#include "device_turn.h"

namespace soul {
namespace {

thread_local const std::atomic<bool>* current_closing = nullptr;
thread_local const std::atomic<int32_t>* current_cancelled = nullptr;

struct Job {
  Napi::Env env;
  Napi::Promise::Deferred deferred;
  const SoulInterface* table;
  int32_t device;
  std::shared_ptr<std::atomic<bool>> closing;
  const std::atomic<int32_t>* cancelled;  // null: never
  std::vector<Napi::Reference<Napi::Value>> held;
  std::function<void()> work;
  std::function<Napi::Value(Napi::Env)> result;
  std::optional<Failure> failure;
};

// What a library says before it comes to stack traces and advice.
std::string FirstSentence(const std::string& message) {
  const bool cuda = message.compare(0, 4, "CUDA") == 0;
  // Some of its errors begin the stack trace without a heading.
  return message.substr(
      0, std::min(message.find(cuda ? "\n" : "\nException raised from"), message.find("\nframe #")));
}

// On another thread, but before the job completes.
void FailLater(void* context, const char* sentence) {
  static_cast<Job*>(context)->failure = DeviceFailure(sentence);
}

void Run(void* context) {
  Job& job = *static_cast<Job*>(context);
  current_closing = job.closing.get();
  current_cancelled = job.cancelled;
  try {
    if (job.device == SOUL_CPU) {
      job.work();
    } else {
      DeviceTurn turn(*job.table, job.device);
      job.work();
      job.work = nullptr;
      turn.Finish(FailLater, &job);
    }
  } catch (...) {
    job.failure = CurrentFailure();
  }
  // What the work captured, a graph for instance, is freed here rather than on the JavaScript thread.
  job.work = nullptr;
  current_closing = nullptr;
  current_cancelled = nullptr;
}

void Settle(const Job& job) {
  if (job.failure) {
    job.deferred.Reject(ToError(job.env, job.failure->code(), job.failure->what()).Value());
    return;
  }
  try {
    job.deferred.Resolve(job.result(job.env));
  } catch (const Napi::Error& error) {
    job.deferred.Reject(error.Value());
  } catch (...) {
    const Failure failure = CurrentFailure();
    job.deferred.Reject(ToError(job.env, failure.code(), failure.what()).Value());
  }
}

void Complete(void* context, bool ran) {
  std::unique_ptr<Job> job(static_cast<Job*>(context));
  if (!ran) return;
  try {
    const Napi::HandleScope scope(job->env);
    Settle(*job);
  } catch (...) {
    // The environment is going away: nobody can be told, and nothing may escape into the caller, which is C.
  }
}

}  // namespace

Napi::Error ToError(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

Failure CurrentFailure() {
  try {
    throw;
  } catch (const Failure& failure) {
    return failure;
  } catch (const std::bad_alloc&) {
    return Failure("SOUL_OUT_OF_MEMORY", "the engine could not allocate memory");
  } catch (const c10::OutOfMemoryError& error) {
    return Failure("SOUL_OUT_OF_MEMORY", FirstSentence(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    // libtorch's CPU allocator throws its general error; only the text tells.
    const std::string message = FirstSentence(error.what());
    const bool memory = message.find("can't allocate memory") != std::string::npos ||
                        message.find("out of memory") != std::string::npos;
    if (memory) return Failure("SOUL_OUT_OF_MEMORY", message);
    const bool device = message.compare(0, 10, "CUDA error") == 0;
    return Failure(device ? "SOUL_DEVICE_FAILED" : "SOUL_INTERNAL", message);
  } catch (...) {
    return Failure("SOUL_INTERNAL", "the engine failed without saying why");
  }
}

void ThrowIfCancelled() {
  if (current_closing && *current_closing) throw Failure("SOUL_CANCELLED", "the environment is ending");
  if (current_cancelled && *current_cancelled != 0) throw Failure("SOUL_CANCELLED", "the work was cancelled");
}

Napi::Promise Post(Napi::Env env, const std::vector<Napi::Value>& held, int32_t device,
                   std::function<void()> work, std::function<Napi::Value(Napi::Env)> result,
                   const std::atomic<int32_t>* cancelled) {
  const Environment& environment = *env.GetInstanceData<Environment>();
  auto job = std::make_unique<Job>(Job{env,
                                       Napi::Promise::Deferred::New(env),
                                       environment.table,
                                       device,
                                       environment.closing,
                                       cancelled,
                                       {},
                                       std::move(work),
                                       std::move(result),
                                       {}});
  for (const Napi::Value& value : held) {
    if (!value.IsUndefined()) job->held.push_back(Napi::Reference<Napi::Value>::New(value, 1));
  }
  const Napi::Promise promise = job->deferred.Promise();
  if (environment.table->post(environment.table->dispatcher, Run, Complete, job.get())) {
    job.release();
  } else {
    job->deferred.Reject(ToError(env, "SOUL_CANCELLED", "the environment is ending").Value());
  }
  return promise;
}

}  // namespace soul
