#include "addon/work.h"

#include <exception>
#include <new>

namespace soul {
namespace {

// Settling uses the plain C calls and ignores their status: when the environment is going away nobody can be
// told.
struct Work {
  napi_env env;
  napi_deferred deferred = nullptr;
  std::vector<napi_ref> held;
  std::function<Outcome()> run;
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

Failure FailureOf(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
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

ThreadPool& PoolOf(Napi::Env env) {
  return env.GetInstanceData<Environment>()->pool;
}

Napi::Value PostWork(Napi::Env env, const std::vector<Napi::Value>& held, std::function<Outcome()> run,
                     int64_t elements) {
  auto work = std::make_unique<Work>();
  work->env = env;
  work->run = std::move(run);
  napi_value promise;
  if (napi_create_promise(env, &work->deferred, &promise) != napi_ok) {
    ThrowFailure(env, "SOUL_INTERNAL", "a promise could not be made");
  }
  Dispatcher* dispatcher = env.GetInstanceData<Environment>()->dispatcher.get();
  if (elements <= kShortWork && dispatcher->MayRunHere()) {
    Run(work.get());
    Settle(work.get());
    return Napi::Value(env, promise);
  }
  work->held.reserve(held.size());
  for (const Napi::Value& value : held) {
    napi_ref reference;
    if (napi_create_reference(env, value, 1, &reference) == napi_ok) {
      work->held.push_back(reference);
    } else {
      ThrowFailure(env, "SOUL_INTERNAL", "memory could not be referenced");
    }
  }
  if (!dispatcher->Post(Run, Complete, work.get())) {
    if (dispatcher->closing()) ThrowFailure(env, "SOUL_CANCELLED", "the environment is shutting down");
    ThrowFailure(env, "SOUL_INTERNAL", "no thread could be started for native work");
  }
  work.release();
  return Napi::Value(env, promise);
}

}  // namespace soul
