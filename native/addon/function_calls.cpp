// Calls for tests of what other rules are made of: exp, log and random bits.
#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "kernels/random.h"
#include "runtime/cuda/vector_launches.h"

namespace soul {
namespace {

MathFunction ReadFunction(const Napi::Value& value) {
  const std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (name == "exp") return MathFunction::kExp;
  if (name == "log") return MathFunction::kLog;
  ThrowInvalid(value.Env(), "name", "'exp' or 'log'");
}

// elementwise('exp' | 'log', input, output) -> Promise<void>
Napi::Value Elementwise(const Napi::CallbackInfo& info) {
  const MathFunction function = ReadFunction(Argument(info, 0));
  const FlatMemory input = ReadFloating(Argument(info, 1), "input");
  if (input.elements.dtype != DType::kFloat32) ThrowInvalid(info.Env(), "input", "float32 memory");
  const FlatMemory output = ReadFloating(Argument(info, 2), "output", input.length, DType::kFloat32);
  const int32_t device = ReadDevice(info.Env(), {{"input", &input}, {"output", &output}});
  const auto* from = static_cast<const float*>(input.elements.data);
  auto* to = static_cast<float*>(output.elements.data);
  const int64_t length = input.length;
  const std::vector<Napi::Value> held{input.value, output.value};
  if (device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, device, [=](cuda::Queue& queue) -> DeviceOutcome {
      cuda::EnqueueFunction(queue, function, from, to, length);
      return {};
    });
  }
  return PostWork(info.Env(), held, [=] {
    for (int64_t i = 0; i < length; ++i) to[i] = function == MathFunction::kExp ? Exp(from[i]) : Log(from[i]);
    return Outcome{};
  });
}

// randomBits(seed, row, bits) -> Promise<void>: the bits of elements 0, 1, ... into an Int32Array, or into
// float32 memory of a device as they are.
Napi::Value RandomBitsCall(const Napi::CallbackInfo& info) {
  const uint64_t seed = ReadUnsigned64(Argument(info, 0), "seed");
  const uint64_t row = ReadUnsigned64(Argument(info, 1), "row");
  const Napi::Value target = Argument(info, 2);
  if (target.IsExternal()) {
    const FlatMemory memory = ReadFloating(target, "bits");
    if (memory.elements.dtype != DType::kFloat32 || memory.device == SOUL_CPU) {
      ThrowInvalid(info.Env(), "bits", "an Int32Array, or float32 memory of a device");
    }
    return PostDeviceWork(info.Env(), {memory.value}, memory.device,
                          [seed, row, to = static_cast<uint32_t*>(memory.elements.data),
                           length = memory.length](cuda::Queue& queue) -> DeviceOutcome {
                            cuda::EnqueueRandomBits(queue, seed, row, to, length);
                            return {};
                          });
  }
  const Memory<int32_t> bits = ReadIntegers(target, "bits");
  return PostWork(info.Env(), {bits.value}, [seed, row, to = bits.data, length = bits.length] {
    const RandomKey key = KeyOf(seed, row);
    for (int64_t i = 0; i < length; ++i)
      to[i] = static_cast<int32_t>(RandomBits(key, static_cast<uint32_t>(i)));
    return Outcome{};
  });
}

}  // namespace

void ExportFunctionCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("elementwise", Napi::Function::New(env, Elementwise, "elementwise"));
  exports.Set("randomBits", Napi::Function::New(env, RandomBitsCall, "randomBits"));
}

}  // namespace soul
