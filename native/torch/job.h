// Work that runs on the first addon's dispatcher thread, in the order of the calls, and settles a promise.
#pragma once

#include <napi.h>

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../runtime/interface.h"

namespace soul {

// A failure with a code of lib/core/errors.ts; thrown to JavaScript as an Error with that `code`.
class Failure : public std::exception {
 public:
  Failure(const char* code, std::string message) : code_(code), message_(std::move(message)) {}
  const char* code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  const char* code_;
  std::string message_;
};

// What this addon keeps for one JavaScript environment (the main thread or a worker).
struct Environment {
  const SoulInterface* table = nullptr;
  std::shared_ptr<std::atomic<bool>> closing = std::make_shared<std::atomic<bool>>(false);
};

Napi::Error ToError(Napi::Env env, const char* code, const std::string& message);

// The exception being handled, as a failure with a code.
Failure CurrentFailure();

// Stops a long job whose environment is ending, or whose caller has set its flag; cheap enough to call for
// every layer and chunk.
void ThrowIfCancelled();

// Runs `work` on the dispatcher thread, then settles the promise with what `result` makes of it on the
// JavaScript thread. `held` are kept from garbage collection until then. Exceptions of `work` reject the
// promise. On a CUDA device, `device`, the promise is settled when the device has done what `work` enqueued.
// Where `cancelled` is given, its memory must be among `held`.
Napi::Promise Post(Napi::Env env, const std::vector<Napi::Value>& held, int32_t device,
                   std::function<void()> work, std::function<Napi::Value(Napi::Env)> result,
                   const std::atomic<int32_t>* cancelled = nullptr);

}  // namespace soul
