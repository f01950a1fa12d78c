// Reading and checking what JavaScript passes; every function throws an Error with the code
// SOUL_INVALID_ARGUMENT that names the argument. Arrays are copied: what JavaScript does with its own
// afterwards changes nothing.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "passes.h"
#include "place.h"

namespace soul {

[[noreturn]] void ThrowInvalid(Napi::Env env, const std::string& message);

int64_t ReadInteger(const Napi::Object& object, const char* name, int64_t low, int64_t high);
double ReadNumber(const Napi::Object& object, const char* name, double low, double high);
bool ReadBoolean(const Napi::Object& object, const char* name);
uint64_t ReadUnsigned64(const Napi::Value& value, const char* name);

// What is added to a logit: a number that float32 can hold, or -infinity.
double ReadShift(const Napi::Value& value);

std::vector<float> ReadFloats(const Napi::Value& value, const char* name);
std::vector<int32_t> ReadIntegers(const Napi::Value& value, const char* name);
std::vector<uint32_t> ReadUnsigned(const Napi::Value& value, const char* name);
std::vector<uint64_t> ReadUnsigned64s(const Napi::Value& value, const char* name);

// Finite weights, one for each label token.
std::vector<float> ReadWeights(const Napi::Value& value, int64_t label_count);

// A finite vector of a hidden state's width, and the index of a layer that there is.
std::vector<float> ReadState(const Napi::Value& value, int64_t width);
int64_t ReadLayer(const Napi::Value& value, int64_t layers);

// Packed sequences: offsets from 0 to the number of tokens, none empty, every token in the vocabulary, none
// longer than `longest`.
void CheckSequences(Napi::Env env, const std::vector<int32_t>& tokens, const std::vector<uint32_t>& offsets,
                    int64_t vocabulary, int64_t longest);

// tokens, offsets and labelPositions of a batch, from three arguments in a row: in order, each of them the
// index of a token that comes after another one of its sequence, at least one for each sequence.
BatchArrays ReadBatch(const Napi::CallbackInfo& info, size_t first, int64_t vocabulary, int64_t longest);

// Memory of a FlatBuffer: a Float32Array or Uint16Array (bfloat16) on a SharedArrayBuffer, which nothing can
// detach or shrink, or an External to a SoulMemory. Used in place, so it must be held.
struct FlatMemory {
  void* data;
  int64_t length;
  Place place;
  const bool* released;  // null: never
};
FlatMemory ReadMemory(const Napi::Value& value, const char* name);

// Weights and their gradients, of one length and dtype and on one device; frozen weights have none.
struct WeightMemory {
  FlatMemory values;
  std::optional<FlatMemory> gradients;
};
WeightMemory ReadWeightMemory(const Napi::Value& values, const Napi::Value& gradients,
                              const char* values_name, const char* gradients_name);

// The memory as one vector.
at::Tensor Flat(const FlatMemory& memory);

// Throws SOUL_ALIASED where two memories overlap.
void CheckApart(Napi::Env env, const char* name, const FlatMemory& memory, const char* other_name,
                const FlatMemory& other);

// A flag of the caller's, not 0 once the work is to end: an Int32Array of one element on a SharedArrayBuffer,
// which must be held; null where the value is undefined.
const std::atomic<int32_t>* ReadCancellation(const Napi::Value& value);

std::vector<std::string> ReadStrings(const Napi::Value& value, const char* name);

}  // namespace soul
