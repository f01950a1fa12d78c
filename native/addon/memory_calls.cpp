// Calls on memory: describe, wrap a pointer, fill, copy, wait for a turn.
#include <algorithm>
#include <cstring>
#include <limits>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "kernels/float_math.h"

namespace soul {
namespace {

constexpr napi_type_tag kMemoryTag = SOUL_MEMORY_TAG;

int64_t BytesOf(const FlatMemory& memory) {
  return memory.length * static_cast<int64_t>(SizeOf(memory.elements.dtype));
}

// describe(memory) -> { address: bigint, byteLength: bigint }
Napi::Value Describe(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadMemory(Argument(info, 0), "memory");
  Napi::Object result = Napi::Object::New(info.Env());
  const auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(memory.elements.data));
  result.Set("address", Napi::BigInt::New(info.Env(), address));
  result.Set("byteLength", Napi::BigInt::New(info.Env(), static_cast<uint64_t>(BytesOf(memory))));
  return result;
}

Napi::Value WrapMemory(Napi::Env env, void* data, uint64_t length, DType dtype) {
  auto memory = std::make_unique<SoulMemory>(SoulMemory{data, length, static_cast<uint32_t>(dtype)});
  const auto external = Napi::External<SoulMemory>::New(
      env, memory.release(), [](Napi::BasicEnv, SoulMemory* released) { delete released; });
  if (napi_type_tag_object(env, external, &kMemoryTag) != napi_ok) {
    ThrowFailure(env, "SOUL_INTERNAL", "memory could not be tagged");
  }
  return external;
}

DType ReadDType(const Napi::Value& value) {
  const std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (name == "f32") return DType::kFloat32;
  if (name == "bf16") return DType::kBFloat16;
  if (name == "u8") return DType::kUint8;
  ThrowInvalid(value.Env(), "dtype", "'f32', 'bf16' or 'u8'");
}

// fromPointer(address: bigint, length, dtype) -> External. That the pointer is true is the caller's word.
Napi::Value FromPointer(const Napi::CallbackInfo& info) {
  const uint64_t address = ReadUnsigned64(Argument(info, 0), "pointer");
  const int64_t length = ReadInteger(Argument(info, 1), "length", 0, int64_t{1} << 53);
  const DType dtype = ReadDType(Argument(info, 2));
  const uint64_t size = SizeOf(dtype);
  if (address == 0) ThrowInvalid(info.Env(), "pointer", "not null");
  if (address % size != 0)
    ThrowInvalid(info.Env(), "pointer", "aligned to " + std::to_string(size) + " bytes");
  const uint64_t bytes = static_cast<uint64_t>(length) * size;
  if (address > std::numeric_limits<uintptr_t>::max() - bytes) {
    ThrowInvalid(info.Env(), "length", "such that the memory ends within the address space");
  }
  return WrapMemory(info.Env(), reinterpret_cast<void*>(static_cast<uintptr_t>(address)),
                    static_cast<uint64_t>(length), dtype);
}

// view(memory, start, length) -> External, for memory that is an External.
Napi::Value View(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadMemory(Argument(info, 0), "memory");
  if (!memory.value.IsExternal()) ThrowInvalid(info.Env(), "memory", "an External");
  const int64_t start = ReadInteger(Argument(info, 1), "start", 0, memory.length);
  const int64_t length = ReadInteger(Argument(info, 2), "length", 0, memory.length - start);
  const DType dtype = memory.elements.dtype;
  return WrapMemory(
      info.Env(), static_cast<char*>(memory.elements.data) + static_cast<std::size_t>(start) * SizeOf(dtype),
      static_cast<uint64_t>(length), dtype);
}

// fill(memory, value) -> Promise<void>
Napi::Value Fill(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadMemory(Argument(info, 0), "memory");
  const DType dtype = memory.elements.dtype;
  if (!Argument(info, 1).IsNumber()) ThrowInvalid(info.Env(), "value", "a number");
  const double number = dtype == DType::kUint8
                            ? static_cast<double>(ReadInteger(Argument(info, 1), "value", 0, 255))
                            : Argument(info, 1).As<Napi::Number>().DoubleValue();
  return PostWork(
      info.Env(), {memory.value},
      [data = memory.elements.data, dtype, length = memory.length, number] {
        if (dtype == DType::kFloat32) std::fill_n(static_cast<float*>(data), length, ToFloat(number));
        if (dtype == DType::kBFloat16)
          std::fill_n(static_cast<uint16_t*>(data), length, ToBFloat16(ToFloat(number)));
        if (dtype == DType::kUint8)
          std::fill_n(static_cast<uint8_t*>(data), length, static_cast<uint8_t>(number));
        return Outcome{};
      },
      memory.length);
}

// copy(destination, source) -> Promise<void>, of one dtype and length; the two may overlap.
Napi::Value Copy(const Napi::CallbackInfo& info) {
  const FlatMemory destination = ReadMemory(Argument(info, 0), "destination");
  const FlatMemory source = ReadMemory(Argument(info, 1), "source");
  if (source.length != destination.length || source.elements.dtype != destination.elements.dtype) {
    ThrowInvalid(info.Env(), "source", "of the destination's length and dtype");
  }
  return PostWork(
      info.Env(), {destination.value, source.value},
      [to = destination.elements.data, from = source.elements.data, bytes = BytesOf(source)] {
        if (bytes > 0) std::memmove(to, from, static_cast<std::size_t>(bytes));
        return Outcome{};
      },
      source.length);
}

// fence() -> Promise<void> that resolves when everything posted before is done.
Napi::Value Fence(const Napi::CallbackInfo& info) {
  return PostWork(info.Env(), {}, [] { return Outcome{}; }, 0);
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
