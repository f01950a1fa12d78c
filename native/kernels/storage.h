// How numbers lie in memory. A rule is float32 arithmetic and knows none of this; a storage type loads an
// element as a float and rounds a float to what is stored, with random bits where it rounds at random.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/float_math.h"
#include "kernels/host_device.h"

namespace soul {

// As SoulMemory numbers them (runtime/interface.h).
enum class DType : uint32_t {
  kFloat32,
  kBFloat16,
  kUint8,
};

constexpr std::size_t SizeOf(DType dtype) {
  return dtype == DType::kFloat32 ? 4 : dtype == DType::kBFloat16 ? 2 : 1;
}

SOUL_HOST_DEVICE float FromBFloat16(uint16_t bits) {
  return FloatFromBits(static_cast<uint32_t>(bits) << 16);
}

// The nearest bfloat16, ties to even. NaN stays NaN.
SOUL_HOST_DEVICE uint16_t ToBFloat16(float x) {
  const uint32_t bits = FloatBits(x);
  const uint32_t nearest = bits + 0x7fffu + ((bits >> 16) & 1u);
  return static_cast<uint16_t>((x == x ? nearest : FloatBits(NotANumber())) >> 16);
}

// One of the two bfloat16 around x, the nearer one the likelier: the mean is x. Uses the low 16 of the random
// bits. What bfloat16 holds exactly stays what it is, and NaN stays NaN.
SOUL_HOST_DEVICE uint16_t ToBFloat16(float x, uint32_t random) {
  const uint32_t rounded = FloatBits(x) + (random & 0xffffu);
  return static_cast<uint16_t>((x == x ? rounded : FloatBits(NotANumber())) >> 16);
}

struct Float32 {
  using Element = float;
  static constexpr bool kRandom = false;
  static SOUL_HOST_DEVICE float Load(float element) { return element; }
  static SOUL_HOST_DEVICE float Round(float x, uint32_t) { return x; }
};

struct BFloat16Nearest {
  using Element = uint16_t;
  static constexpr bool kRandom = false;
  static SOUL_HOST_DEVICE float Load(uint16_t element) { return FromBFloat16(element); }
  static SOUL_HOST_DEVICE uint16_t Round(float x, uint32_t) { return ToBFloat16(x); }
};

struct BFloat16Stochastic {
  using Element = uint16_t;
  static constexpr bool kRandom = true;
  static SOUL_HOST_DEVICE float Load(uint16_t element) { return FromBFloat16(element); }
  static SOUL_HOST_DEVICE uint16_t Round(float x, uint32_t random) { return ToBFloat16(x, random); }
};

}  // namespace soul
