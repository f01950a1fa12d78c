// Calls on memory: describe, wrap a pointer, fill, copy, wait for a turn.
#include <algorithm>
#include <cstring>
#include <limits>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"

namespace soul {
namespace {

constexpr napi_type_tag kMemoryTag = SOUL_MEMORY_TAG;

// describe(memory) -> { address: bigint, byteLength: bigint }
Napi::Value Describe(const Napi::CallbackInfo& info) {
  const Memory<float> memory = ReadFloats(Argument(info, 0), "memory");
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("address",
             Napi::BigInt::New(info.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(memory.data))));
  result.Set("byteLength",
             Napi::BigInt::New(info.Env(), static_cast<uint64_t>(memory.length) * sizeof(float)));
  return result;
}

Napi::Value WrapMemory(Napi::Env env, void* data, uint64_t length) {
  auto memory = std::make_unique<SoulMemory>(SoulMemory{data, length, SOUL_FLOAT32});
  const auto external = Napi::External<SoulMemory>::New(
      env, memory.release(), [](Napi::BasicEnv, SoulMemory* released) { delete released; });
  if (napi_type_tag_object(env, external, &kMemoryTag) != napi_ok) {
    ThrowFailure(env, "SOUL_INTERNAL", "memory could not be tagged");
  }
  return external;
}

// fromPointer(address: bigint, length) -> External. That the pointer is true is the caller's word.
Napi::Value FromPointer(const Napi::CallbackInfo& info) {
  const uint64_t address = ReadUnsigned64(Argument(info, 0), "pointer");
  const int64_t length = ReadInteger(Argument(info, 1), "length", 0, int64_t{1} << 53);
  if (address == 0) ThrowInvalid(info.Env(), "pointer", "not null");
  if (address % alignof(float) != 0) ThrowInvalid(info.Env(), "pointer", "aligned to 4 bytes");
  const uint64_t bytes = static_cast<uint64_t>(length) * sizeof(float);
  if (address > std::numeric_limits<uintptr_t>::max() - bytes) {
    ThrowInvalid(info.Env(), "length", "such that the memory ends within the address space");
  }
  return WrapMemory(info.Env(), reinterpret_cast<void*>(static_cast<uintptr_t>(address)),
                    static_cast<uint64_t>(length));
}

// view(memory, start, length) -> External, for memory that is an External.
Napi::Value View(const Napi::CallbackInfo& info) {
  const Memory<float> memory = ReadFloats(Argument(info, 0), "memory");
  if (!memory.value.IsExternal()) ThrowInvalid(info.Env(), "memory", "an External");
  const int64_t start = ReadInteger(Argument(info, 1), "start", 0, memory.length);
  const int64_t length = ReadInteger(Argument(info, 2), "length", 0, memory.length - start);
  return WrapMemory(info.Env(), memory.data + start, static_cast<uint64_t>(length));
}

// fill(memory, value) -> Promise<void>
Napi::Value Fill(const Napi::CallbackInfo& info) {
  const Memory<float> memory = ReadFloats(Argument(info, 0), "memory");
  if (!Argument(info, 1).IsNumber()) ThrowInvalid(info.Env(), "value", "a number");
  const double wanted = Argument(info, 1).As<Napi::Number>().DoubleValue();
  // Beyond float32 is infinity, as Math.fround has it; the cast alone would be undefined.
  const double largest = std::numeric_limits<float>::max();
  const float value = std::abs(wanted) > largest ? static_cast<float>(std::copysign(HUGE_VAL, wanted))
                                                 : static_cast<float>(wanted);
  return PostWork(info.Env(), {memory.value}, [data = memory.data, length = memory.length, value] {
    std::fill_n(data, length, value);
    return Outcome{};
  });
}

// copy(destination, source) -> Promise<void>; the two may overlap.
Napi::Value Copy(const Napi::CallbackInfo& info) {
  const Memory<float> destination = ReadFloats(Argument(info, 0), "destination");
  const Memory<float> source = ReadFloats(Argument(info, 1), "source", destination.length);
  return PostWork(info.Env(), {destination.value, source.value},
                  [to = destination.data, from = source.data, length = destination.length] {
                    if (length > 0) std::memmove(to, from, static_cast<std::size_t>(length) * sizeof(float));
                    return Outcome{};
                  });
}

// fence() -> Promise<void> that resolves when everything posted before is done.
Napi::Value Fence(const Napi::CallbackInfo& info) {
  return PostWork(info.Env(), {}, [] { return Outcome{}; });
}

}  // namespace

void ExportMemoryCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("describe", Napi::Function::New(env, Describe, "describe"));
  exports.Set("fromPointer", Napi::Function::New(env, FromPointer, "fromPointer"));
  exports.Set("view", Napi::Function::New(env, View, "view"));
  exports.Set("fill", Napi::Function::New(env, Fill, "fill"));
  exports.Set("copy", Napi::Function::New(env, Copy, "copy"));
  exports.Set("fence", Napi::Function::New(env, Fence, "fence"));
}

}  // namespace soul
