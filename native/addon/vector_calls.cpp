// Calls on flat buffers as vectors.
#include <array>
#include <limits>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "runtime/vector_jobs.h"

namespace soul {
namespace {

constexpr double kLargestFloat = std::numeric_limits<float>::max();

// Undefined: to the nearest.
Rounding ReadRounding(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const Napi::Object rounding = ReadObject(value, "rounding");
  return {true, ReadUnsigned64(rounding.Get("seed"), "seed"), ReadUnsigned64(rounding.Get("count"), "count")};
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

// What is read at one index must not have been written at another.
void CheckElementwise(Napi::Env env, const char* name, const FlatMemory& target, const FlatMemory& source) {
  const bool same =
      source.elements.data == target.elements.data && source.elements.dtype == target.elements.dtype;
  if (!same && Overlap(source, target)) {
    ThrowFailure(env, "SOUL_ALIASED", std::string(name) + " must not share a part of the other's memory");
  }
}

// countNonFinite(buffer) -> Promise<[count]>
Napi::Value CountNonFiniteCall(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadFloating(Argument(info, 0), "buffer");
  return PostWork(info.Env(), {memory.value},
                  [&pool = PoolOf(info.Env()), elements = memory.elements, length = memory.length] {
                    return Outcome{{}, {static_cast<double>(CountNonFinite(pool, elements, length))}};
                  });
}

// dot(a, b) -> Promise<[sum]>
Napi::Value DotCall(const Napi::CallbackInfo& info) {
  const FlatMemory a = ReadFloating(Argument(info, 0), "a");
  const FlatMemory b = ReadFloating(Argument(info, 1), "b", a.length);
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
  int64_t length = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const Napi::Value buffer = buffers.As<Napi::Array>().Get(i);
    const FlatMemory memory =
        i == 0 ? ReadFloating(buffer, "buffers") : ReadFloating(buffer, "buffers", length);
    length = memory.length;
    vectors[i] = memory.elements;
    held.push_back(memory.value);
  }
  return PostWork(info.Env(), held, [&pool = PoolOf(info.Env()), vectors, count, length] {
    const InnerProducts products = ProductsOfPairs(pool, vectors.data(), static_cast<int32_t>(count), length);
    return Outcome{{}, {products.sums, products.sums + count * (count + 1) / 2}};
  });
}

// axpy(alpha, x, y, rounding?) -> Promise<void>
Napi::Value AxpyCall(const Napi::CallbackInfo& info) {
  const double alpha = ReadNumber(Argument(info, 0), "alpha", -kLargestFloat, kLargestFloat);
  const FlatMemory x = ReadFloating(Argument(info, 1), "x");
  const FlatMemory y = ReadFloating(Argument(info, 2), "y", x.length);
  const Rounding rounding = ReadRounding(Argument(info, 3));
  CheckElementwise(info.Env(), "y", y, x);
  return PostWork(info.Env(), {x.value, y.value},
                  [&pool = PoolOf(info.Env()), factor = static_cast<float>(alpha), from = x.elements,
                   to = y.elements, length = x.length, rounding] {
                    AddScaled(pool, factor, from, to, rounding, length);
                    return Outcome{};
                  });
}

// scale(buffer, factor, rounding?) -> Promise<void>
Napi::Value ScaleCall(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadFloating(Argument(info, 0), "buffer");
  const double factor = ReadNumber(Argument(info, 1), "factor", -kLargestFloat, kLargestFloat);
  const Rounding rounding = ReadRounding(Argument(info, 2));
  return PostWork(info.Env(), {memory.value},
                  [&pool = PoolOf(info.Env()), by = static_cast<float>(factor), elements = memory.elements,
                   length = memory.length, rounding] {
                    Scale(pool, by, elements, rounding, length);
                    return Outcome{};
                  });
}

// cast(source, target, rounding?) -> Promise<void>; of one dtype the two may overlap.
Napi::Value CastCall(const Napi::CallbackInfo& info) {
  const FlatMemory source = ReadFloating(Argument(info, 0), "source");
  const FlatMemory target = ReadFloating(Argument(info, 1), "target", source.length);
  const Rounding rounding = ReadRounding(Argument(info, 2));
  if (source.elements.dtype != target.elements.dtype) {
    CheckElementwise(info.Env(), "target", target, source);
  }
  return PostWork(info.Env(), {source.value, target.value},
                  [&pool = PoolOf(info.Env()), from = source.elements, to = target.elements,
                   length = source.length, rounding] {
                    Cast(pool, from, to, rounding, length);
                    return Outcome{};
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
  return PostWork(info.Env(), held,
                  [&pool = PoolOf(info.Env()), terms = MagnitudeTerms{of, a.elements, b.elements}, fraction,
                   length = a.length] { return Outcome{{}, {Quantile(pool, terms, fraction, length)}}; });
}

// maskZeros(buffer, mask) -> Promise<void>
Napi::Value MaskZerosCall(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadFloating(Argument(info, 0), "buffer");
  if (Argument(info, 1).IsUndefined()) ThrowInvalid(info.Env(), "mask", "uint8 memory");
  const FlatMemory mask = ReadMask(Argument(info, 1), "mask", memory.length);
  CheckElementwise(info.Env(), "mask", mask, memory);
  return PostWork(info.Env(), {memory.value, mask.value},
                  [&pool = PoolOf(info.Env()), elements = memory.elements,
                   bits = static_cast<uint8_t*>(mask.elements.data), length = memory.length] {
                    MaskZeros(pool, elements, bits, length);
                    return Outcome{};
                  });
}

}  // namespace

void ExportVectorCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("countNonFinite", Napi::Function::New(env, CountNonFiniteCall, "countNonFinite"));
  exports.Set("dot", Napi::Function::New(env, DotCall, "dot"));
  exports.Set("gram", Napi::Function::New(env, GramCall, "gram"));
  exports.Set("axpy", Napi::Function::New(env, AxpyCall, "axpy"));
  exports.Set("scale", Napi::Function::New(env, ScaleCall, "scale"));
  exports.Set("cast", Napi::Function::New(env, CastCall, "cast"));
  exports.Set("quantile", Napi::Function::New(env, QuantileCall, "quantile"));
  exports.Set("maskZeros", Napi::Function::New(env, MaskZerosCall, "maskZeros"));
}

}  // namespace soul
