// Reading and checking what JavaScript passed. Every function throws a JavaScript error that names the
// argument.
#pragma once

#include <napi.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "kernels/memory.h"
#include "kernels/normal.h"
#include "runtime/interface.h"

namespace soul {

// Memory of one argument, checked; the value it came from must be held while native code uses it.
template <typename Element>
struct Memory {
  Element* data = nullptr;
  int64_t length = 0;
  Napi::Value value;
};

// Memory of one argument of any dtype, checked; held as Memory is.
struct FlatMemory {
  Elements elements;
  int64_t length = 0;
  Napi::Value value;
  int32_t device = SOUL_CPU;
};

// The argument as it lies; undefined when it was left out.
inline Napi::Value Argument(const Napi::CallbackInfo& info, std::size_t index) {
  return info[index];
}

// A Float32Array, a Uint16Array (bfloat16), a Uint8Array, or an External to memory of a device or of another
// trainer.
FlatMemory ReadMemory(const Napi::Value& value, const char* name);
// As ReadMemory, of float32 or bfloat16.
FlatMemory ReadFloating(const Napi::Value& value, const char* name);
// As ReadFloating, and of exactly this length.
FlatMemory ReadFloating(const Napi::Value& value, const char* name, int64_t length);
// As ReadFloating, and of exactly this length and dtype.
FlatMemory ReadFloating(const Napi::Value& value, const char* name, int64_t length, DType dtype);
// A mask of one bit for each of `length` weights; none where the value is undefined.
FlatMemory ReadMask(const Napi::Value& value, const char* name, int64_t length);

// The one device that all lie on, or SOUL_CPU; memory that is left out (none) lies anywhere.
struct NamedMemory {
  const char* name;
  const FlatMemory* memory;
};
int32_t ReadDevice(Napi::Env env, std::initializer_list<NamedMemory> memories);
// "cpu" or "cuda:0".
std::string DeviceName(int32_t device);

// What is read at one index must not have been written at another: the two are one, or share no memory.
void CheckElementwise(Napi::Env env, const char* name, const FlatMemory& target, const FlatMemory& source);

// ReadMemory of float32 on the host.
Memory<float> ReadFloats(const Napi::Value& value, const char* name);
// As ReadFloats, and of exactly this length.
Memory<float> ReadFloats(const Napi::Value& value, const char* name, int64_t length);

Memory<double> ReadDoubles(const Napi::Value& value, const char* name, int64_t minimum_length);
Memory<int32_t> ReadIntegers(const Napi::Value& value, const char* name);
Memory<int32_t> ReadIntegers(const Napi::Value& value, const char* name, int64_t length);
Memory<uint8_t> ReadBytes(const Napi::Value& value, const char* name, int64_t length);

// How bfloat16 is rounded; undefined: to the nearest.
Rounding ReadRounding(const Napi::Value& value);
// Which normal numbers are drawn.
NormalDraws ReadDraws(const Napi::Value& value);
// A finite number in [low, high].
double ReadNumber(const Napi::Value& value, const char* name, double low, double high);
// An integer in [low, high].
int64_t ReadInteger(const Napi::Value& value, const char* name, int64_t low, int64_t high);
// A bigint in [0, 2^64).
uint64_t ReadUnsigned64(const Napi::Value& value, const char* name);
Napi::Object ReadObject(const Napi::Value& value, const char* name);

[[noreturn]] void ThrowInvalid(Napi::Env env, const char* name, const std::string& expected);

}  // namespace soul
