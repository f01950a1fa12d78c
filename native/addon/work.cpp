#include "addon/work.h"

#include <exception>
#include <new>

namespace soul {
namespace {

// Settling uses the plain C calls and ignores their status: when the environment is going away nobody can be
// told.
struct Work {
  napi_env env;
  Environment* environment = nullptr;
  napi_deferred deferred = nullptr;  // null: nobody waits for it
  std::vector<napi_ref> held;
  std::function<Outcome()> run;  // on the host
  EnqueueOnDevice enqueue;       // on a device
  int32_t device = SOUL_CPU;
  Outcome outcome;
  std::exception_ptr thrown;

  ~Work() {
    for (napi_ref reference : held) napi_delete_reference(env, reference);
  }
};

void Run(void* context) {
  Work* work = static_cast<Work*>(context);
  try {
    work->outcome = work->run();
  } catch (...) {
    // Kept as it is: a message could not be allocated where memory is what ran out.
    work->thrown = std::current_exception();
  }
}

// Releases `job` when the device has come here.
void AwaitDevice(Work* work, cuda::Queue& queue, DeviceOutcome outcome, Dispatcher::Job* job) {
  queue.Await([work, outcome = std::move(outcome), job](std::exception_ptr error) {
    work->thrown = error;
    if (!error && outcome) {
      try {
        work->outcome = outcome();
      } catch (...) {
        work->thrown = std::current_exception();
      }
    }
    work->environment->dispatcher->Release(job);
  });
}

void RunOnDevice(void* context) {
  Work* work = static_cast<Work*>(context);
  Dispatcher& dispatcher = *work->environment->dispatcher;
  Dispatcher::Job* held = nullptr;
  try {
    cuda::Queue& queue = work->environment->queues.Of(work->device);
    DeviceOutcome outcome = work->enqueue(queue);
    held = dispatcher.Hold();
    AwaitDevice(work, queue, std::move(outcome), held);
  } catch (...) {
    work->thrown = std::current_exception();
    if (held != nullptr) dispatcher.Release(held);
  }
}

Failure FailureOf(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const cuda::DriverError& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {"SOUL_OUT_OF_MEMORY", "native code could not allocate memory"};
  } catch (const std::exception& error) {
    return {"SOUL_INTERNAL", std::string("native code failed: ") + error.what()};
  } catch (...) {
    return {"SOUL_INTERNAL", "native code failed with an exception of no known kind"};
  }
}

napi_value MakeError(napi_env env, const Failure& failure) {
  napi_value code, message, error;
  if (napi_create_string_utf8(env, failure.code, NAPI_AUTO_LENGTH, &code) != napi_ok ||
      napi_create_string_utf8(env, failure.message.data(), failure.message.size(), &message) != napi_ok ||
      napi_create_error(env, code, message, &error) != napi_ok) {
    return nullptr;
  }
  return error;
}

napi_value MakeNumbers(napi_env env, const std::vector<double>& numbers) {
  napi_value result;
  if (numbers.empty()) {
    return napi_get_undefined(env, &result) == napi_ok ? result : nullptr;
  }
  if (napi_create_array_with_length(env, numbers.size(), &result) != napi_ok) return nullptr;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    napi_value number;
    if (napi_create_double(env, numbers[i], &number) != napi_ok ||
        napi_set_element(env, result, static_cast<uint32_t>(i), number) != napi_ok) {
      return nullptr;
    }
  }
  return result;
}

void Settle(Work* work) {
  if (work->outcome.before_settling) work->outcome.before_settling();
  if (work->deferred == nullptr) return;
  if (work->thrown) work->outcome.failure = FailureOf(work->thrown);
  if (work->outcome.failure.code != nullptr) {
    const napi_value error = MakeError(work->env, work->outcome.failure);
    if (error != nullptr) napi_reject_deferred(work->env, work->deferred, error);
  } else {
    const napi_value numbers = MakeNumbers(work->env, work->outcome.numbers);
    if (numbers != nullptr) napi_resolve_deferred(work->env, work->deferred, numbers);
  }
}

void Complete(void* context, bool ran) {
  const std::unique_ptr<Work> work(static_cast<Work*>(context));
  if (ran) Settle(work.get());
}

}  // namespace

void ThrowFailure(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  throw error;
}

Environment& EnvironmentOf(Napi::Env env) {
  return *env.GetInstanceData<Environment>();
}

ThreadPool& PoolOf(Napi::Env env) {
  return EnvironmentOf(env).pool;
}

namespace {

std::unique_ptr<Work> MakeWork(Napi::Env env, napi_value* promise) {
  auto work = std::make_unique<Work>();
  work->env = env;
  work->environment = &EnvironmentOf(env);
  if (promise != nullptr && napi_create_promise(env, &work->deferred, promise) != napi_ok) {
    ThrowFailure(env, "SOUL_INTERNAL", "a promise could not be made");
  }
  return work;
}

void Keep(Napi::Env env, const std::vector<Napi::Value>& held, Work* work) {
  work->held.reserve(held.size());
  for (const Napi::Value& value : held) {
    napi_ref reference;
    if (napi_create_reference(env, value, 1, &reference) == napi_ok) {
      work->held.push_back(reference);
    } else {
      ThrowFailure(env, "SOUL_INTERNAL", "memory could not be referenced");
    }
  }
}

void Post(Napi::Env env, Dispatcher::Run run, std::unique_ptr<Work> work) {
  Dispatcher& dispatcher = *work->environment->dispatcher;
  if (!dispatcher.Post(run, Complete, work.get())) {
    if (dispatcher.closing()) ThrowFailure(env, "SOUL_CANCELLED", "the environment is shutting down");
    ThrowFailure(env, "SOUL_INTERNAL", "no thread could be started for native work");
  }
  work.release();
}

// Enqueues on the JavaScript thread.
void EnqueueHere(Napi::Env env, std::unique_ptr<Work> work) {
  Environment& environment = *work->environment;
  DeviceOutcome outcome;
  cuda::Queue& queue = environment.queues.Of(work->device);
  try {
    outcome = work->enqueue(queue);
  } catch (...) {
    work->thrown = std::current_exception();
    Settle(work.get());
    return;
  }
  Dispatcher::Job* job = environment.dispatcher->PostHeld(Complete, work.get());
  if (job == nullptr) ThrowFailure(env, "SOUL_CANCELLED", "the environment is shutting down");
  Work* posted = work.release();
  try {
    AwaitDevice(posted, queue, std::move(outcome), job);
  } catch (...) {
    posted->thrown = std::current_exception();
    environment.dispatcher->Release(job);
  }
}

void PostOnDevice(Napi::Env env, const std::vector<Napi::Value>& held, int32_t device,
                  EnqueueOnDevice enqueue, std::unique_ptr<Work> work) {
  Keep(env, held, work.get());
  work->device = device;
  work->enqueue = std::move(enqueue);
  Environment& environment = *work->environment;
  // A device's first use takes its time, so it is left to the dispatcher's thread.
  if (environment.dispatcher->MayEnqueueHere() && environment.queues.Has(device)) {
    EnqueueHere(env, std::move(work));
  } else {
    Post(env, RunOnDevice, std::move(work));
  }
}

}  // namespace

Napi::Value PostWork(Napi::Env env, const std::vector<Napi::Value>& held, std::function<Outcome()> run,
                     int64_t elements) {
  napi_value promise;
  std::unique_ptr<Work> work = MakeWork(env, &promise);
  work->run = std::move(run);
  if (elements <= kShortWork && work->environment->dispatcher->MayRunHere()) {
    Run(work.get());
    Settle(work.get());
    return Napi::Value(env, promise);
  }
  Keep(env, held, work.get());
  Post(env, Run, std::move(work));
  return Napi::Value(env, promise);
}

Napi::Value PostDeviceWork(Napi::Env env, const std::vector<Napi::Value>& held, int32_t device,
                           EnqueueOnDevice enqueue) {
  napi_value promise;
  std::unique_ptr<Work> work = MakeWork(env, &promise);
  PostOnDevice(env, held, device, std::move(enqueue), std::move(work));
  return Napi::Value(env, promise);
}

void PostDeviceWorkUnseen(Napi::Env env, const std::vector<Napi::Value>& held, int32_t device,
                          EnqueueOnDevice enqueue) {
  PostOnDevice(env, held, device, std::move(enqueue), MakeWork(env, nullptr));
}

Napi::Value PostFence(Napi::Env env) {
  Environment& environment = EnvironmentOf(env);
  const auto wait = [&environment] {
    // Each queue holds the job once. What a device did wrong is told to whom it concerns.
    environment.queues.ForEach([&](cuda::Queue& queue) {
      Dispatcher::Job* job = environment.dispatcher->Hold();
      try {
        queue.Await([&environment, job](std::exception_ptr) { environment.dispatcher->Release(job); });
      } catch (const std::exception&) {
        environment.dispatcher->Release(job);
      }
    });
    return Outcome{};
  };
  napi_value promise;
  std::unique_ptr<Work> work = MakeWork(env, &promise);
  if (environment.dispatcher->MayRunHere()) {
    Settle(work.get());
  } else {
    work->run = wait;
    Post(env, Run, std::move(work));
  }
  return Napi::Value(env, promise);
}

}  // namespace soul
