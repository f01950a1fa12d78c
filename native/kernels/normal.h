// Normally distributed numbers as a function of (seed, count, element): no state, the same bits on every
// device.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/float_math.h"
#include "kernels/host_device.h"
#include "kernels/random.h"

namespace soul {

// One vector of draws of a seed: the `count`-th.
struct NormalDraws {
  uint64_t seed = 0;
  uint64_t count = 0;
};

struct NormalKey {
  uint32_t element;
  uint32_t radius;
  uint32_t angle;
};

// The key of elements whose index has these upper 32 bits.
SOUL_HOST_DEVICE NormalKey KeyOfNormals(const NormalDraws& draws, uint32_t upper_index) {
  const RandomKey key = KeyOf(draws.seed, draws.count);
  // Words that no rounding of this seed and count mixes (RoundingKey), whatever the index.
  const uint32_t word = Mix(upper_index + 0x80000000u);
  const uint32_t radius = Mix(key.second + word);
  return {Mix(key.first ^ word), radius, Mix(radius ^ 0x9e3779b9u)};
}

// sin(pi * b) for b in [-1/2, 1/2], within 2e-7. The coefficients are a minimax fit of sin(pi * b) / b in
// b^2.
SOUL_HOST_DEVICE float SinOfHalfTurns(float b) {
  const float square = b * b;
  float p = 0x1.3daff6p-4f;
  p = p * square + -0x1.324ccap-1f;
  p = p * square + 0x1.4668b0p+1f;
  p = p * square + -0x1.4abbc2p+2f;
  p = p * square + 0x1.921fb6p+1f;
  return p * b;
}

// A standard normal number, from the lower 32 bits of the element's index, by Box and Muller (1958): the
// radius sqrt(-2 log u) times the sine of a uniform angle. u has 31 bits, so magnitudes end at 6.66, beyond
// which a normal number lies once in 4e10 draws.
SOUL_HOST_DEVICE float StandardNormal(const NormalKey& key, uint32_t element) {
  const uint32_t mixed = Mix(element + key.element);
  const uint32_t uniform = Mix(mixed ^ key.radius);
  // An angle's sine depends on its distance from a quarter turn alone: [-1/2, 1/2) half turns are all of it.
  const auto angle = static_cast<int32_t>(Mix(mixed ^ key.angle));
  const float u = (static_cast<float>(static_cast<int32_t>(uniform >> 1)) + 0.5f) * 0x1p-31f;
  return std::sqrt(-2.0f * Log(u)) * SinOfHalfTurns(static_cast<float>(angle) * 0x1p-32f);
}

}  // namespace soul
