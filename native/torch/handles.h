// What JavaScript holds of models and passes: Externals with a tag, and how numbers are given back.
#pragma once

#include <napi.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "arguments.h"
#include "job.h"
#include "model.h"
#include "pending_pass.h"

namespace soul {

inline constexpr napi_type_tag kInterfaceTag = SOUL_INTERFACE_TAG;
inline constexpr napi_type_tag kModelTag = {0x5a0c6be2f1d84790ull, 0xa1c9e37d5042b86full};
inline constexpr napi_type_tag kPassTag = {0xd2974f10be35a86cull, 0x81f6027ac94de35bull};

// Memory that stays alive with what it is behind.
struct HeldMemory {
  Napi::Reference<Napi::Value> value;  // empty: none
  const bool* released = nullptr;      // whether it was released; null: it never is
};

// Behind the External of a model.
struct ModelHandle {
  std::shared_ptr<const Model> model;
  int64_t longest;
  HeldMemory values, gradients;  // of the weights that train, which are the adapters' where there are some
  HeldMemory frozen;             // the weights beside which adapters stand
};

// Behind the External of a pass; `model` and `reference` keep those handles, hence their memory, alive.
struct PassHandle {
  std::shared_ptr<PendingPass> pass;
  int64_t label_count;
  int32_t device;
  int64_t reported_bytes =
      0;  // of the graph, so that the garbage collector knows what a forgotten pass weighs
  Napi::Reference<Napi::Value> model, reference;

  std::shared_ptr<PendingPass> Take(Napi::Env env) {
    Napi::MemoryManagement::AdjustExternalMemory(env, -std::exchange(reported_bytes, 0));
    return std::move(pass);
  }
};

template <typename Handle>
Handle& ReadHandle(const Napi::Value& value, const napi_type_tag& tag, const char* name) {
  bool matches = false;
  if (!value.IsExternal() || napi_check_object_type_tag(value.Env(), value, &tag, &matches) != napi_ok ||
      !matches) {
    ThrowInvalid(value.Env(), std::string(name) + " must be a handle that this addon gave");
  }
  return *value.As<Napi::External<Handle>>().Data();
}

template <typename Handle>
Napi::Value MakeHandle(Napi::Env env, std::unique_ptr<Handle> handle, const napi_type_tag& tag) {
  const auto external =
      Napi::External<Handle>::New(env, handle.release(), [](Napi::Env finalizer_env, Handle* owned) {
        if constexpr (std::is_same_v<Handle, PassHandle>) owned->Take(finalizer_env);
        delete owned;
      });
  napi_type_tag_object(env, external, &tag);
  return external;
}

// The environment, once `init` was called.
const Environment& ReadEnvironment(Napi::Env env);

// A model that is not released.
ModelHandle& ReadModel(const Napi::Value& value, const char* name = "model");

// A pass that is neither released nor spent.
PassHandle& ReadPass(const Napi::Value& value);

template <typename Element>
Napi::TypedArrayOf<Element> Give(Napi::Env env, const Element* values, size_t length) {
  Napi::TypedArrayOf<Element> array = Napi::TypedArrayOf<Element>::New(env, length);
  std::copy_n(values, length, array.Data());
  return array;
}

// A tensor of the CPU.
template <typename Element>
Napi::TypedArrayOf<Element> Give(Napi::Env env, const at::Tensor& values) {
  return Give(env, values.data_ptr<Element>(), static_cast<size_t>(values.numel()));
}

// Runs what may throw libtorch's exceptions on the JavaScript thread.
template <typename Work>
auto Guarded(Napi::Env env, const Work& work) {
  try {
    return work();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const Failure failure = CurrentFailure();
    throw ToError(env, failure.code(), failure.what());
  }
}

}  // namespace soul
