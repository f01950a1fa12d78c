// float32 exp and log without branches or tables: the same bits on every processor, and loops over them
// vectorise.
//
// Accurate to about one unit in the last place (test/native/float-math.test.ts). The coefficients are minimax
// fits of the quantities named beside them, rounded to float32. Contraction into fused multiply-adds must be
// off.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/host_device.h"

namespace soul {

SOUL_HOST_DEVICE uint32_t FloatBits(float value) {
  return std::bit_cast<uint32_t>(value);
}

SOUL_HOST_DEVICE float FloatFromBits(uint32_t bits) {
  return std::bit_cast<float>(bits);
}

SOUL_HOST_DEVICE float Magnitude(float x) {
  return FloatFromBits(FloatBits(x) & 0x7fffffffu);
}

// x, or -x where `sign` is negative.
SOUL_HOST_DEVICE float TimesSign(float x, float sign) {
  return FloatFromBits(FloatBits(x) ^ (FloatBits(sign) & 0x80000000u));
}

SOUL_HOST_DEVICE float Infinity() {
  return FloatFromBits(0x7f800000u);
}
SOUL_HOST_DEVICE float NotANumber() {
  return FloatFromBits(0x7fc00000u);
}

// A number as float32; beyond its range infinity, where the conversion alone would be undefined.
SOUL_HOST_DEVICE float ToFloat(double number) {
  const double largest = 0x1.fffffep127;
  if (number > largest) return Infinity();
  if (number < -largest) return -Infinity();
  return static_cast<float>(number);
}

constexpr float kLog2High = 0x1.62e4p-1f;  // 17 bits: exact when multiplied by an exponent
constexpr float kLog2Low = 0x1.7f7d1cp-20f;

// x = exponent * log(2) + rest, |rest| <= log(2) / 2; x in [-104, 89].
struct ReducedExponent {
  float rest;
  uint32_t exponent;  // in two's complement
};

SOUL_HOST_DEVICE ReducedExponent ReduceExponent(float x) {
  constexpr float kRound = 0x1.8p23f;  // adding it leaves the nearest integer in the low bits
  const float shifted = x * 0x1.715476p0f + kRound;
  const float n = shifted - kRound;
  return {(x - n * kLog2High) - n * kLog2Low, FloatBits(shifted) - FloatBits(kRound)};
}

SOUL_HOST_DEVICE float ExpOfRest(float r) {
  // (e^r - 1 - r) / r^2 on |r| <= log(2) / 2
  float q = 0x1.6db4e8p-10f;
  q = q * r + 0x1.123bdep-7f;
  q = q * r + 0x1.55545ep-5f;
  q = q * r + 0x1.55548ep-3f;
  q = q * r + 0.5f;
  return 1.0f + (r + r * r * q);
}

// e^x; 0 below -104, infinity above 88.73, NaN for NaN.
SOUL_HOST_DEVICE float Exp(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const ReducedExponent reduced = ReduceExponent(x);
  // Two factors of 2^(n / 2), since 2^n itself may be denormal or too large.
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(reduced.exponent) >> 1);
  const float first = FloatFromBits((half + 127u) << 23);
  const float second = FloatFromBits((reduced.exponent - half + 127u) << 23);
  return ExpOfRest(reduced.rest) * first * second;
}

// From here to there e^x is neither denormal nor infinite, and Exp(x) has the bits of
// ExpOfRest(rest) * PowerOfTwo(exponent).
constexpr float kLeastOrdinaryExponent = -87.0f;
constexpr float kLargestOrdinaryExponent = 88.0f;

SOUL_HOST_DEVICE float PowerOfTwo(uint32_t exponent) {
  return FloatFromBits((exponent + 127u) << 23);
}

// Natural logarithm; -infinity for 0, NaN for negative numbers and NaN.
SOUL_HOST_DEVICE float Log(float x) {
  const bool tiny = x < 0x1p-126f;  // denormal, zero or negative
  const uint32_t bits = FloatBits(tiny ? x * 0x1p23f : x);
  // x = 2^n * (1 + f) with 1 + f in [sqrt(1/2), sqrt(2))
  const uint32_t offset = bits - 0x3f3504f3u;
  const float n = static_cast<float>(static_cast<int32_t>(offset) >> 23) - (tiny ? 23.0f : 0.0f);
  const float f = FloatFromBits((offset & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  const float s = f / (2.0f + f);
  const float z = s * s;
  // (log(1 + f) - 2s) / s^3
  float r = 0x1.31e678p-2f;
  r = r * z + 0x1.995e9cp-2f;
  r = r * z + 0x1.55557ap-1f;
  const float square = 0.5f * f * f;
  float y = n * kLog2High + (f - (square - (s * (square + z * r) + n * kLog2Low)));
  y = x == 0.0f ? -Infinity() : y;
  y = x < 0.0f ? NotANumber() : y;
  // Infinity and NaN give themselves.
  return x < Infinity() ? y : x + x;
}

}  // namespace soul
