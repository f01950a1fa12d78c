// Calls that find something out about flat buffers as vectors.
#include <array>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "runtime/cuda/vector_launches.h"
#include "runtime/vector_jobs.h"

namespace soul {
namespace {

// Reads one number when the device is done.
template <typename Number>
DeviceOutcome OneNumber(std::function<Number()> read) {
  return [read = std::move(read)] { return Outcome{{}, {static_cast<double>(read())}}; };
}

// countNonFinite(buffer) -> Promise<[count]>
Napi::Value CountNonFiniteCall(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadFloating(Argument(info, 0), "buffer");
  if (memory.device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), {memory.value}, memory.device,
                          [elements = memory.elements, length = memory.length](cuda::Queue& queue) {
                            return OneNumber(cuda::EnqueueCountNonFinite(queue, elements, length));
                          });
  }
  return PostWork(info.Env(), {memory.value},
                  [&pool = PoolOf(info.Env()), elements = memory.elements, length = memory.length] {
                    return Outcome{{}, {static_cast<double>(CountNonFinite(pool, elements, length))}};
                  });
}

// dot(a, b) -> Promise<[sum]>
Napi::Value DotCall(const Napi::CallbackInfo& info) {
  const FlatMemory a = ReadFloating(Argument(info, 0), "a");
  const FlatMemory b = ReadFloating(Argument(info, 1), "b", a.length);
  if (const int32_t device = ReadDevice(info.Env(), {{"a", &a}, {"b", &b}}); device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), {a.value, b.value}, device,
                          [first = a.elements, second = b.elements, length = a.length](cuda::Queue& queue) {
                            return OneNumber(cuda::EnqueueInnerProduct(queue, first, second, length));
                          });
  }
  return PostWork(info.Env(), {a.value, b.value},
                  [&pool = PoolOf(info.Env()), first = a.elements, second = b.elements, length = a.length] {
                    return Outcome{{}, {InnerProduct(pool, first, second, length)}};
                  });
}

// gram(buffers) -> Promise of the products of each buffer with itself and those after it.
Napi::Value GramCall(const Napi::CallbackInfo& info) {
  const Napi::Value buffers = Argument(info, 0);
  const uint32_t count = buffers.IsArray() ? buffers.As<Napi::Array>().Length() : 0;
  if (count < 1 || count > kMostVectors) ThrowInvalid(info.Env(), "buffers", "an array of 1 to 4 buffers");
  std::array<Elements, kMostVectors> vectors;
  std::vector<Napi::Value> held;
  FlatMemory first;
  for (uint32_t i = 0; i < count; ++i) {
    const Napi::Value buffer = buffers.As<Napi::Array>().Get(i);
    const FlatMemory memory =
        i == 0 ? ReadFloating(buffer, "buffers") : ReadFloating(buffer, "buffers", first.length);
    if (i == 0) first = memory;
    ReadDevice(info.Env(), {{"buffers[0]", &first}, {"buffers", &memory}});
    vectors[i] = memory.elements;
    held.push_back(memory.value);
  }
  const int64_t length = first.length;
  const auto outcome = [count](const InnerProducts& products) {
    return Outcome{{}, {products.sums, products.sums + count * (count + 1) / 2}};
  };
  if (first.device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, first.device, [=](cuda::Queue& queue) -> DeviceOutcome {
      return [=, read = cuda::EnqueueProductsOfPairs(queue, vectors.data(), static_cast<int32_t>(count),
                                                     length)] { return outcome(read()); };
    });
  }
  return PostWork(info.Env(), held, [=, &pool = PoolOf(info.Env())] {
    return outcome(ProductsOfPairs(pool, vectors.data(), static_cast<int32_t>(count), length));
  });
}

MagnitudeOf ReadMagnitudeOf(const Napi::Value& value) {
  const std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (name == "magnitude") return MagnitudeOf::kElement;
  if (name == "product") return MagnitudeOf::kProduct;
  if (name == "ratio") return MagnitudeOf::kRatio;
  ThrowInvalid(value.Env(), "of", "'magnitude', 'product' or 'ratio'");
}

// quantile(of, a, b, fraction) -> Promise<[threshold]>; b is undefined for a magnitude.
Napi::Value QuantileCall(const Napi::CallbackInfo& info) {
  const MagnitudeOf of = ReadMagnitudeOf(Argument(info, 0));
  const FlatMemory a = ReadFloating(Argument(info, 1), "a");
  const FlatMemory b =
      of == MagnitudeOf::kElement ? FlatMemory{} : ReadFloating(Argument(info, 2), "b", a.length);
  const double fraction = ReadNumber(Argument(info, 3), "fraction", 0, 1);
  std::vector<Napi::Value> held{a.value};
  if (of != MagnitudeOf::kElement) held.push_back(b.value);
  const MagnitudeTerms terms{of, a.elements, b.elements};
  const int64_t length = a.length;
  if (const int32_t device = ReadDevice(info.Env(), {{"a", &a}, {"b", &b}}); device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, device, [=](cuda::Queue& queue) {
      return OneNumber(cuda::EnqueueQuantile(queue, terms, fraction, length));
    });
  }
  return PostWork(info.Env(), held, [=, &pool = PoolOf(info.Env())] {
    return Outcome{{}, {Quantile(pool, terms, fraction, length)}};
  });
}

// maskZeros(buffer, mask) -> Promise<void>
Napi::Value MaskZerosCall(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadFloating(Argument(info, 0), "buffer");
  if (Argument(info, 1).IsUndefined()) ThrowInvalid(info.Env(), "mask", "uint8 memory");
  const FlatMemory mask = ReadMask(Argument(info, 1), "mask", memory.length);
  const int32_t device = ReadDevice(info.Env(), {{"buffer", &memory}, {"mask", &mask}});
  CheckElementwise(info.Env(), "mask", mask, memory);
  const Elements elements = memory.elements;
  auto* bits = static_cast<uint8_t*>(mask.elements.data);
  const int64_t length = memory.length;
  const std::vector<Napi::Value> held{memory.value, mask.value};
  if (device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, device, [=](cuda::Queue& queue) -> DeviceOutcome {
      cuda::EnqueueMaskZeros(queue, elements, bits, length);
      return {};
    });
  }
  return PostWork(info.Env(), held, [=, &pool = PoolOf(info.Env())] {
    MaskZeros(pool, elements, bits, length);
    return Outcome{};
  });
}

}  // namespace

void ExportVectorCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("countNonFinite", Napi::Function::New(env, CountNonFiniteCall, "countNonFinite"));
  exports.Set("dot", Napi::Function::New(env, DotCall, "dot"));
  exports.Set("gram", Napi::Function::New(env, GramCall, "gram"));
  exports.Set("quantile", Napi::Function::New(env, QuantileCall, "quantile"));
  exports.Set("maskZeros", Napi::Function::New(env, MaskZerosCall, "maskZeros"));
}

}  // namespace soul
