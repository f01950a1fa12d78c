#include "addon/wrapped_memory.h"

#include "addon/arguments.h"
#include "addon/work.h"

namespace soul {
namespace {

constexpr napi_type_tag kMemoryTag = SOUL_MEMORY_TAG;

}  // namespace

Napi::Value WrapMemory(Napi::Env env, const WrappedMemory& memory) {
  auto wrapped = std::make_unique<WrappedMemory>(memory);
  // The engine reads it as a SoulMemory, which it begins with.
  static_assert(std::is_standard_layout_v<SoulMemory>);
  const auto external = Napi::External<WrappedMemory>::New(
      env, wrapped.get(), [](Napi::BasicEnv, WrappedMemory* gone) { delete gone; });
  wrapped.release();
  if (napi_type_tag_object(env, external, &kMemoryTag) != napi_ok) {
    ThrowFailure(env, "SOUL_INTERNAL", "memory could not be tagged");
  }
  return external;
}

WrappedMemory* Unwrap(const Napi::Value& value) {
  bool tagged = false;
  void* data = nullptr;
  if (!value.IsExternal() ||
      napi_check_object_type_tag(value.Env(), value, &kMemoryTag, &tagged) != napi_ok || !tagged ||
      napi_get_value_external(value.Env(), value, &data) != napi_ok) {
    return nullptr;
  }
  return static_cast<WrappedMemory*>(data);
}

DType ReadDType(const Napi::Value& value) {
  const std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (name == "f32") return DType::kFloat32;
  if (name == "bf16") return DType::kBFloat16;
  if (name == "u8") return DType::kUint8;
  ThrowInvalid(value.Env(), "dtype", "'f32', 'bf16' or 'u8'");
}

}  // namespace soul
