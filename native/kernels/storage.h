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

// The nearest bfloat16, ties to even, in the upper half of a word whose lower half means nothing. The lower
// half of a NaN must be zeros, as it is where a NaN is arithmetic's own or came out of a bfloat16: then no
// carry makes a number of it.
SOUL_HOST_DEVICE uint32_t RoundToBFloat16(float x) {
  const uint32_t bits = FloatBits(x);
  return bits + 0x7fffu + ((bits >> 16) & 1u);
}

// One of the two bfloat16 around x, the nearer one the likelier: the mean is x. Uses the low 16 of the random
// bits. What bfloat16 holds exactly stays what it is. As RoundToBFloat16 in all else.
SOUL_HOST_DEVICE uint32_t RoundToBFloat16(float x, uint32_t random) {
  return FloatBits(x) + (random & 0xffffu);
}

// x, or for a NaN the quiet one whose lower half is zeros.
SOUL_HOST_DEVICE float ShortNaN(float x) {
  return x == x ? x : FloatFromBits((FloatBits(x) & 0xffff0000u) | 0x00400000u);
}

// The nearest bfloat16 of any float.
SOUL_HOST_DEVICE uint16_t ToBFloat16(float x) {
  return static_cast<uint16_t>(RoundToBFloat16(ShortNaN(x)) >> 16);
}

struct Float32 {
  using Element = float;
  static constexpr bool kRandom = false;
  static SOUL_HOST_DEVICE float Load(float element) { return element; }
  static SOUL_HOST_DEVICE float Round(float x, uint32_t) { return x; }
};

// Round takes any float, RoundWord what RoundToBFloat16 takes.
struct BFloat16Nearest {
  using Element = uint16_t;
  static constexpr bool kRandom = false;
  static SOUL_HOST_DEVICE float Load(uint16_t element) { return FromBFloat16(element); }
  static SOUL_HOST_DEVICE uint32_t RoundWord(float x, uint32_t) { return RoundToBFloat16(x); }
  static SOUL_HOST_DEVICE uint16_t Round(float x, uint32_t) { return ToBFloat16(x); }
};

struct BFloat16Stochastic {
  using Element = uint16_t;
  static constexpr bool kRandom = true;
  static SOUL_HOST_DEVICE float Load(uint16_t element) { return FromBFloat16(element); }
  static SOUL_HOST_DEVICE uint32_t RoundWord(float x, uint32_t random) { return RoundToBFloat16(x, random); }
  static SOUL_HOST_DEVICE uint16_t Round(float x, uint32_t random) {
    return static_cast<uint16_t>(RoundToBFloat16(ShortNaN(x), random) >> 16);
  }
};

}  // namespace soul
