#include "addon/arguments.h"

#include <cmath>

#include "addon/work.h"
#include "addon/wrapped_memory.h"

namespace soul {
namespace {

template <typename Element>
bool ReadTyped(const Napi::Value& value, napi_typedarray_type wanted, Memory<Element>* memory) {
  if (!value.IsTypedArray()) return false;
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != wanted) {
    return false;
  }
  // A detached array has no memory and length 0.
  *memory = {static_cast<Element*>(data), data == nullptr ? 0 : static_cast<int64_t>(length), value};
  return true;
}

template <typename Element>
Memory<Element> ReadTypedOfLength(const Napi::Value& value, napi_typedarray_type type, const char* kind,
                                  const char* name, int64_t length) {
  Memory<Element> memory;
  if (!ReadTyped(value, type, &memory) || memory.length != length) {
    ThrowInvalid(value.Env(), name, std::string(kind) + " of length " + std::to_string(length));
  }
  return memory;
}

std::string NameOf(DType dtype) {
  return dtype == DType::kFloat32 ? "float32" : dtype == DType::kBFloat16 ? "bfloat16" : "uint8";
}

void CheckLength(Napi::Env env, const char* name, int64_t found, int64_t expected) {
  if (found == expected) return;
  ThrowInvalid(env, name,
               "memory of " + std::to_string(expected) + " elements, but has " + std::to_string(found));
}

bool Overlap(const FlatMemory& a, const FlatMemory& b) {
  const auto begin = [](const FlatMemory& memory) {
    return reinterpret_cast<uintptr_t>(memory.elements.data);
  };
  const auto end = [&](const FlatMemory& memory) {
    return begin(memory) + static_cast<uintptr_t>(memory.length) * SizeOf(memory.elements.dtype);
  };
  return begin(a) < end(b) && begin(b) < end(a);
}

}  // namespace

void ThrowInvalid(Napi::Env env, const char* name, const std::string& expected) {
  ThrowFailure(env, "SOUL_INVALID_ARGUMENT", std::string(name) + " must be " + expected);
}

FlatMemory ReadMemory(const Napi::Value& value, const char* name) {
  Memory<float> floats;
  if (ReadTyped(value, napi_float32_array, &floats)) {
    return {{floats.data, DType::kFloat32}, floats.length, value};
  }
  Memory<uint16_t> halves;
  if (ReadTyped(value, napi_uint16_array, &halves)) {
    return {{halves.data, DType::kBFloat16}, halves.length, value};
  }
  Memory<uint8_t> bytes;
  if (ReadTyped(value, napi_uint8_array, &bytes)) {
    return {{bytes.data, DType::kUint8}, bytes.length, value};
  }
  if (const WrappedMemory* wrapped = Unwrap(value); wrapped != nullptr) {
    if (wrapped->released != nullptr && *wrapped->released) {
      ThrowFailure(value.Env(), "SOUL_RELEASED", std::string(name) + " was released; make a new FlatBuffer");
    }
    return {{wrapped->data, static_cast<DType>(wrapped->dtype)},
            static_cast<int64_t>(wrapped->length),
            value,
            wrapped->device};
  }
  ThrowInvalid(value.Env(), name, "memory of a FlatBuffer");
}

FlatMemory ReadFloating(const Napi::Value& value, const char* name) {
  const FlatMemory memory = ReadMemory(value, name);
  if (memory.elements.dtype == DType::kUint8) ThrowInvalid(value.Env(), name, "float32 or bfloat16 memory");
  return memory;
}

FlatMemory ReadFloating(const Napi::Value& value, const char* name, int64_t length) {
  const FlatMemory memory = ReadFloating(value, name);
  CheckLength(value.Env(), name, memory.length, length);
  return memory;
}

FlatMemory ReadFloating(const Napi::Value& value, const char* name, int64_t length, DType dtype) {
  const FlatMemory memory = ReadFloating(value, name, length);
  if (memory.elements.dtype != dtype) ThrowInvalid(value.Env(), name, NameOf(dtype) + " memory");
  return memory;
}

FlatMemory ReadMask(const Napi::Value& value, const char* name, int64_t length) {
  if (value.IsUndefined()) return {};
  const FlatMemory memory = ReadMemory(value, name);
  if (memory.elements.dtype != DType::kUint8) ThrowInvalid(value.Env(), name, "uint8 memory");
  CheckLength(value.Env(), name, memory.length, (length + 7) / 8);
  return memory;
}

std::string DeviceName(int32_t device) {
  return device == SOUL_CPU ? "cpu" : "cuda:" + std::to_string(device);
}

int32_t ReadDevice(Napi::Env env, std::initializer_list<NamedMemory> memories) {
  const NamedMemory* first = nullptr;
  for (const NamedMemory& named : memories) {
    if (named.memory->value.IsEmpty()) continue;
    if (first == nullptr) first = &named;
    if (named.memory->device != first->memory->device) {
      ThrowInvalid(env, named.name,
                   "on " + DeviceName(first->memory->device) + " as " + first->name + " is, but is on " +
                       DeviceName(named.memory->device));
    }
  }
  return first == nullptr ? SOUL_CPU : first->memory->device;
}

Memory<float> ReadFloats(const Napi::Value& value, const char* name) {
  const FlatMemory memory = ReadMemory(value, name);
  if (memory.device != SOUL_CPU) ThrowInvalid(value.Env(), name, "on the CPU");
  if (memory.elements.dtype != DType::kFloat32) ThrowInvalid(value.Env(), name, "float32 memory");
  return {static_cast<float*>(memory.elements.data), memory.length, value};
}

Memory<float> ReadFloats(const Napi::Value& value, const char* name, int64_t length) {
  const Memory<float> memory = ReadFloats(value, name);
  CheckLength(value.Env(), name, memory.length, length);
  return memory;
}

Memory<double> ReadDoubles(const Napi::Value& value, const char* name, int64_t minimum_length) {
  Memory<double> memory;
  if (!ReadTyped(value, napi_float64_array, &memory) || memory.length < minimum_length) {
    ThrowInvalid(value.Env(), name,
                 "a Float64Array of at least " + std::to_string(minimum_length) + " elements");
  }
  return memory;
}

Memory<int32_t> ReadIntegers(const Napi::Value& value, const char* name) {
  Memory<int32_t> memory;
  if (!ReadTyped(value, napi_int32_array, &memory)) ThrowInvalid(value.Env(), name, "an Int32Array");
  return memory;
}

Memory<int32_t> ReadIntegers(const Napi::Value& value, const char* name, int64_t length) {
  return ReadTypedOfLength<int32_t>(value, napi_int32_array, "an Int32Array", name, length);
}

Memory<uint8_t> ReadBytes(const Napi::Value& value, const char* name, int64_t length) {
  return ReadTypedOfLength<uint8_t>(value, napi_uint8_array, "a Uint8Array", name, length);
}

double ReadNumber(const Napi::Value& value, const char* name, double low, double high) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (std::isfinite(number) && number >= low && number <= high) return number;
  }
  ThrowInvalid(value.Env(), name, "a number from " + std::to_string(low) + " to " + std::to_string(high));
}

int64_t ReadInteger(const Napi::Value& value, const char* name, int64_t low, int64_t high) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (std::trunc(number) == number && number >= static_cast<double>(low) &&
        number <= static_cast<double>(high)) {
      return static_cast<int64_t>(number);
    }
  }
  ThrowInvalid(value.Env(), name, "an integer from " + std::to_string(low) + " to " + std::to_string(high));
}

uint64_t ReadUnsigned64(const Napi::Value& value, const char* name) {
  if (value.IsBigInt()) {
    bool lossless = false;
    const uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return number;
  }
  ThrowInvalid(value.Env(), name, "a bigint from 0 to 2^64 - 1");
}

Napi::Object ReadObject(const Napi::Value& value, const char* name) {
  if (!value.IsObject() || value.IsFunction()) ThrowInvalid(value.Env(), name, "an object");
  return value.As<Napi::Object>();
}

Rounding ReadRounding(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const Napi::Object rounding = ReadObject(value, "rounding");
  return {true, ReadUnsigned64(rounding.Get("seed"), "seed"), ReadUnsigned64(rounding.Get("count"), "count")};
}

NormalDraws ReadDraws(const Napi::Value& value) {
  const Napi::Object draws = ReadObject(value, "draws");
  return {ReadUnsigned64(draws.Get("seed"), "seed"), ReadUnsigned64(draws.Get("count"), "count")};
}

void CheckElementwise(Napi::Env env, const char* name, const FlatMemory& target, const FlatMemory& source) {
  const bool same =
      source.elements.data == target.elements.data && source.elements.dtype == target.elements.dtype;
  if (!same && target.device == source.device && Overlap(source, target)) {
    ThrowFailure(env, "SOUL_ALIASED", std::string(name) + " must not share a part of the other's memory");
  }
}

}  // namespace soul
