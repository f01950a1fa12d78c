#include "arguments.h"

#include <ATen/ops/from_blob.h>

#include <cmath>
#include <cstring>
#include <optional>

#include "../runtime/label_shift.h"
#include "job.h"

namespace soul {
namespace {

struct TypedArray {
  void* data;
  size_t length;
  napi_value buffer;
  napi_typedarray_type type;
};

// Whatever type it has; absent where the value is no typed array.
std::optional<TypedArray> FindTyped(const Napi::Value& value) {
  bool typed = false;
  TypedArray array{};
  size_t offset;
  if (napi_is_typedarray(value.Env(), value, &typed) != napi_ok || !typed ||
      napi_get_typedarray_info(value.Env(), value, &array.type, &array.length, &array.data, &array.buffer,
                               &offset) != napi_ok) {
    return std::nullopt;
  }
  return array;
}

TypedArray ReadTyped(const Napi::Value& value, const char* name, napi_typedarray_type type,
                     const char* type_name) {
  const std::optional<TypedArray> array = FindTyped(value);
  if (!array || array->type != type) ThrowInvalid(value.Env(), std::string(name) + " must be a " + type_name);
  return *array;
}

// Memory that nothing can detach.
bool IsShared(Napi::Env env, const TypedArray& array) {
  bool ordinary = true;
  return napi_is_arraybuffer(env, array.buffer, &ordinary) == napi_ok && !ordinary;
}

template <typename Element>
std::vector<Element> Copy(const TypedArray& array) {
  std::vector<Element> copy(array.length);
  if (array.length > 0) std::memcpy(copy.data(), array.data, array.length * sizeof(Element));
  return copy;
}

void CheckFinite(Napi::Env env, const std::vector<float>& values, const std::string& name) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    ThrowInvalid(env,
                 name + "[" + std::to_string(i) + "] must be finite, but is " + std::to_string(values[i]));
  }
}

void CheckLabels(Napi::Env env, const BatchArrays& batch) {
  const std::vector<uint32_t>& labels = batch.label_positions;
  size_t label = 0;
  for (size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
    const uint32_t end = batch.offsets[i + 1];
    const size_t first = label;
    // The label before, or the sequence's first token, which none comes before that could predict it.
    uint32_t before = batch.offsets[i];
    for (; label < labels.size() && labels[label] < end; before = labels[label++]) {
      if (labels[label] > before) continue;
      ThrowInvalid(env, "labelPositions[" + std::to_string(label) + "] must come after " +
                            std::to_string(before) + ", " +
                            (label == first ? "the first token of sequence " + std::to_string(i)
                                            : std::string("the label before it")) +
                            ", but is " + std::to_string(labels[label]));
    }
    if (label == first) {
      ThrowInvalid(env, "labelPositions must have an entry for sequence " + std::to_string(i) +
                            ", after its first token");
    }
  }
  if (label == labels.size()) return;
  ThrowInvalid(env, "labelPositions[" + std::to_string(label) + "] must be the index of a token, at most " +
                        std::to_string(batch.tokens.size() - 1) + ", but is " +
                        std::to_string(labels[label]));
}

}  // namespace

void ThrowInvalid(Napi::Env env, const std::string& message) {
  throw ToError(env, "SOUL_INVALID_ARGUMENT", message);
}

double ReadNumber(const Napi::Object& object, const char* name, double low, double high) {
  const Napi::Value value = object.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= low && number <= high)) {
    ThrowInvalid(object.Env(), std::string(name) + " must be a number from " + std::to_string(low) + " to " +
                                   std::to_string(high));
  }
  return number;
}

int64_t ReadInteger(const Napi::Object& object, const char* name, int64_t low, int64_t high) {
  const double number = ReadNumber(object, name, static_cast<double>(low), static_cast<double>(high));
  if (number != std::floor(number)) ThrowInvalid(object.Env(), std::string(name) + " must be an integer");
  return static_cast<int64_t>(number);
}

bool ReadBoolean(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsBoolean()) ThrowInvalid(object.Env(), std::string(name) + " must be true or false");
  return value.As<Napi::Boolean>();
}

uint64_t ReadUnsigned64(const Napi::Value& value, const char* name) {
  bool lossless = false;
  const uint64_t number = value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
  if (!lossless) ThrowInvalid(value.Env(), std::string(name) + " must be a bigint from 0 to 2^64 - 1");
  return number;
}

double ReadShift(const Napi::Value& value) {
  const double shift = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!IsShift(shift)) {
    ThrowInvalid(value.Env(), "shift must be a number that float32 can hold, or -Infinity");
  }
  return shift;
}

std::vector<float> ReadFloats(const Napi::Value& value, const char* name) {
  return Copy<float>(ReadTyped(value, name, napi_float32_array, "Float32Array"));
}

std::vector<int32_t> ReadIntegers(const Napi::Value& value, const char* name) {
  return Copy<int32_t>(ReadTyped(value, name, napi_int32_array, "Int32Array"));
}

std::vector<uint32_t> ReadUnsigned(const Napi::Value& value, const char* name) {
  return Copy<uint32_t>(ReadTyped(value, name, napi_uint32_array, "Uint32Array"));
}

std::vector<uint64_t> ReadUnsigned64s(const Napi::Value& value, const char* name) {
  return Copy<uint64_t>(ReadTyped(value, name, napi_biguint64_array, "BigUint64Array"));
}

std::vector<float> ReadWeights(const Napi::Value& value, int64_t label_count) {
  std::vector<float> weights = ReadFloats(value, "weights");
  if (static_cast<int64_t>(weights.size()) != label_count) {
    ThrowInvalid(value.Env(), "weights must have one entry for each of the " + std::to_string(label_count) +
                                  " label tokens, but has " + std::to_string(weights.size()));
  }
  CheckFinite(value.Env(), weights, "weights");
  return weights;
}

std::vector<float> ReadState(const Napi::Value& value, int64_t width) {
  std::vector<float> state = ReadFloats(value, "toward");
  if (static_cast<int64_t>(state.size()) != width) {
    ThrowInvalid(value.Env(), "toward must have the model's width of " + std::to_string(width) +
                                  " numbers, but has " + std::to_string(state.size()));
  }
  CheckFinite(value.Env(), state, "toward");
  return state;
}

int64_t ReadLayer(const Napi::Value& value, int64_t layers) {
  const double layer = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (layer >= 0 && layer < static_cast<double>(layers) && layer == std::floor(layer)) {
    return static_cast<int64_t>(layer);
  }
  ThrowInvalid(value.Env(), "layer must be an integer from 0 to " + std::to_string(layers - 1) +
                                ": the model has " + std::to_string(layers) + " layers");
}

void CheckSequences(Napi::Env env, const std::vector<int32_t>& tokens, const std::vector<uint32_t>& offsets,
                    int64_t vocabulary, int64_t longest) {
  if (offsets.size() < 2 || offsets.front() != 0 || offsets.back() != tokens.size()) {
    ThrowInvalid(env, "offsets must begin with 0 and end with the number of tokens");
  }
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const std::string sequence = "sequence " + std::to_string(i);
    if (offsets[i + 1] <= offsets[i] || offsets[i + 1] > tokens.size()) {
      ThrowInvalid(env, "offsets must rise: " + sequence + " is empty or ends before it begins");
    }
    const int64_t length = static_cast<int64_t>(offsets[i + 1]) - offsets[i];
    if (length > longest) {
      ThrowInvalid(env, sequence + " has " + std::to_string(length) +
                            " tokens, but the model's positions end at " + std::to_string(longest) +
                            " (max_position_embeddings)");
    }
    for (uint32_t t = offsets[i]; t < offsets[i + 1]; ++t) {
      if (tokens[t] >= 0 && tokens[t] < vocabulary) continue;
      ThrowInvalid(env, "token " + std::to_string(t - offsets[i]) + " of " + sequence + " is " +
                            std::to_string(tokens[t]) + ", but the model's vocabulary has " +
                            std::to_string(vocabulary) + " tokens");
    }
  }
}

BatchArrays ReadBatch(const Napi::CallbackInfo& info, size_t first, int64_t vocabulary, int64_t longest) {
  BatchArrays batch{ReadIntegers(info[first], "tokens"), ReadUnsigned(info[first + 1], "offsets"),
                    ReadUnsigned(info[first + 2], "labelPositions")};
  CheckSequences(info.Env(), batch.tokens, batch.offsets, vocabulary, longest);
  CheckLabels(info.Env(), batch);
  return batch;
}

FlatMemory ReadMemory(const Napi::Value& value, const char* name) {
  constexpr napi_type_tag kTag = SOUL_MEMORY_TAG;
  bool tagged = false;
  if (value.IsExternal() && napi_check_object_type_tag(value.Env(), value, &kTag, &tagged) == napi_ok &&
      tagged) {
    const SoulMemory& memory = *value.As<Napi::External<SoulMemory>>().Data();
    if (memory.dtype != SOUL_FLOAT32 && memory.dtype != SOUL_BFLOAT16) {
      ThrowInvalid(value.Env(), std::string(name) + " must be float32 or bfloat16");
    }
    if (memory.released && *memory.released) {
      throw ToError(value.Env(), "SOUL_RELEASED", std::string(name) + " was released");
    }
    const at::ScalarType dtype = memory.dtype == SOUL_FLOAT32 ? at::kFloat : at::kBFloat16;
    return {memory.data, static_cast<int64_t>(memory.length), {memory.device, dtype}, memory.released};
  }
  const std::optional<TypedArray> array = FindTyped(value);
  if (!array || (array->type != napi_float32_array && array->type != napi_uint16_array)) {
    ThrowInvalid(value.Env(), std::string(name) +
                                  " must be a Float32Array, a Uint16Array or a handle to memory of a buffer");
  }
  if (!IsShared(value.Env(), *array)) {
    ThrowInvalid(value.Env(), std::string(name) + " must lie on a SharedArrayBuffer");
  }
  const at::ScalarType dtype = array->type == napi_float32_array ? at::kFloat : at::kBFloat16;
  return {array->data, static_cast<int64_t>(array->length), {SOUL_CPU, dtype}, nullptr};
}

WeightMemory ReadWeightMemory(const Napi::Value& values, const Napi::Value& gradients,
                              const char* values_name, const char* gradients_name) {
  WeightMemory memory{ReadMemory(values, values_name), std::nullopt};
  if (gradients.IsUndefined()) return memory;
  memory.gradients = ReadMemory(gradients, gradients_name);
  const Place &place = memory.values.place, &other = memory.gradients->place;
  if (memory.values.length != memory.gradients->length || place.dtype != other.dtype ||
      place.ordinal != other.ordinal) {
    ThrowInvalid(values.Env(), std::string(values_name) + " and " + gradients_name +
                                   " must be of one length and dtype, on one device");
  }
  return memory;
}

at::Tensor Flat(const FlatMemory& memory) {
  return at::for_blob(memory.data, {memory.length})
      .options(memory.place.weights())
      .target_device(memory.place.device())
      .make_tensor();
}

void CheckApart(Napi::Env env, const char* name, const FlatMemory& memory, const char* other_name,
                const FlatMemory& other) {
  const auto begin = [](const FlatMemory& of) { return reinterpret_cast<uintptr_t>(of.data); };
  const auto end = [&](const FlatMemory& of) {
    return begin(of) + static_cast<uintptr_t>(of.length) * c10::elementSize(of.place.dtype);
  };
  if (begin(memory) >= end(other) || begin(other) >= end(memory)) return;
  throw ToError(env, "SOUL_ALIASED", std::string(name) + " must share no memory with " + other_name);
}

const std::atomic<int32_t>* ReadCancellation(const Napi::Value& value) {
  static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t) && std::atomic<int32_t>::is_always_lock_free);
  if (value.IsUndefined()) return nullptr;
  const std::optional<TypedArray> array = FindTyped(value);
  if (!array || array->type != napi_int32_array || array->length != 1 || !IsShared(value.Env(), *array)) {
    ThrowInvalid(value.Env(), "cancelled must be an Int32Array of one element on a SharedArrayBuffer");
  }
  return static_cast<const std::atomic<int32_t>*>(array->data);
}

std::vector<std::string> ReadStrings(const Napi::Value& value, const char* name) {
  const std::string expected = std::string(name) + " must be an array of strings";
  if (!value.IsArray()) ThrowInvalid(value.Env(), expected);
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value entry = array[i];
    if (!entry.IsString()) ThrowInvalid(value.Env(), expected);
    strings.push_back(entry.As<Napi::String>());
  }
  return strings;
}

}  // namespace soul
