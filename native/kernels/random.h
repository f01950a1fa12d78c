// Random bits as a function of (seed, row, element): no state, no order, the same on every device.
#pragma once

#include <cstdint>

#include "kernels/float_math.h"
#include "kernels/host_device.h"

namespace soul {

// Two 32-bit keys, one pair for each (seed, row).
struct RandomKey {
  uint32_t first;
  uint32_t second;
};

// A bijection of 32 bits with low bias: every input bit flips every output bit with probability near 1/2. The
// constants are Wellons' "lowbias32".
SOUL_HOST_DEVICE uint32_t Mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

SOUL_HOST_DEVICE RandomKey KeyOf(uint64_t seed, uint64_t row) {
  uint32_t first = 0x9e3779b9u;
  uint32_t second = 0x85ebca6bu;
  const uint32_t words[4] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                             static_cast<uint32_t>(row), static_cast<uint32_t>(row >> 32)};
  for (uint32_t word : words) {
    first = Mix(first ^ word);
    second = Mix(second + word * 0xc2b2ae35u + first);
  }
  return {first, second};
}

// 32 uniformly random bits of one element.
SOUL_HOST_DEVICE uint32_t RandomBits(RandomKey key, uint32_t element) {
  return Mix(Mix(element + key.first) ^ key.second);
}

// What draws of one seed are for, so that none meets another.
enum class Purpose : uint32_t {
  kStep,         // values, and the first state beside them
  kSecondState,  // the Hessian, AdamW's average of squares
  kEstimate,     // the Hessian, apart from a step
  kCast,
};

// The key of one rounding of a whole buffer: the `count`-th for this purpose, for the elements whose index
// has these upper 32 bits.
SOUL_HOST_DEVICE RandomKey RoundingKey(uint64_t seed, Purpose purpose, uint64_t count, uint32_t upper_index) {
  const RandomKey key = KeyOf(seed, count);
  const uint32_t word = Mix(upper_index * 4u + static_cast<uint32_t>(purpose));
  return {Mix(key.first ^ word), Mix(key.second + word)};
}

// 32 random bits to round an element with, from the lower 32 bits of its index. One mixing is enough where
// only the mean must be right.
SOUL_HOST_DEVICE uint32_t RoundingBits(RandomKey key, uint32_t element) {
  return Mix(element + key.first) ^ key.second;
}

// An exponentially distributed number, finite and positive, whose tails reach 2^-33 and 22.9.
SOUL_HOST_DEVICE float ExponentialFromBits(uint32_t bits) {
  // -log(1 - v) for v in (0, 1]. 1 - v is rounded; the factor v / (1 - w) undoes that rounding for small v.
  const float v = (static_cast<float>(bits) + 0.5f) * 0x1p-32f;
  const float w = 1.0f - v;
  const float below = w < 0x1p-25f ? 0x1p-33f : w;
  const float gone = 1.0f - below;
  return gone > 0.0f ? -Log(below) * (v / gone) : v;
}

}  // namespace soul
