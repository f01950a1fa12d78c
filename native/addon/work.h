// A call that runs on the dispatcher, or at once when it is short and nothing is pending, and settles a
// promise.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/dispatcher.h"
#include "runtime/interface.h"
#include "runtime/thread_pool.h"

namespace soul {

// What one environment owns; lives in its instance data.
struct Environment {
  // Used by the dispatcher's jobs alone; outlives it.
  ThreadPool pool;
  std::unique_ptr<Dispatcher> dispatcher;
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

  static Outcome Failed(const char* code, std::string message) { return {{code, std::move(message)}, {}}; }
};

// Throws a JavaScript error with a code.
[[noreturn]] void ThrowFailure(Napi::Env env, const char* code, const std::string& message);

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

}  // namespace soul
