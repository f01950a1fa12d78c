// The arithmetic of updates of whole vectors, an element at a time.
#pragma once

#include "kernels/float_math.h"
#include "kernels/host_device.h"

namespace soul {

// 1 or -1; 0 and NaN are their own.
SOUL_HOST_DEVICE float Sign(float x) {
  const uint32_t magnitude = FloatBits(x) & 0x7fffffffu;
  const bool counts = magnitude - 1u < 0x7f800000u;
  return FloatFromBits(counts ? (FloatBits(x) & 0x80000000u) | 0x3f800000u : FloatBits(x));
}

// alpha * x + y
struct AddScaledRule {
  float alpha;
  SOUL_HOST_DEVICE float operator()(float x, float y) const { return alpha * x + y; }
};

// alpha * sign(x) + y
struct AddSignRule {
  float alpha;
  SOUL_HOST_DEVICE float operator()(float x, float y) const { return alpha * Sign(x) + y; }
};

// x + factor * z
struct AddNormalRule {
  float factor;
  SOUL_HOST_DEVICE float operator()(float x, float z) const { return x + factor * z; }
};

// factor * y
struct ScaleRule {
  float factor;
  SOUL_HOST_DEVICE float operator()(float y) const { return factor * y; }
};

// sign(y) * max(|y| - by, 0)
struct SoftThresholdRule {
  float by;  // at least 0
  SOUL_HOST_DEVICE float operator()(float y) const {
    const float rest = Magnitude(y) - by;
    // The comparison lets NaN through.
    return TimesSign(rest < 0.0f ? 0.0f : rest, y);
  }
};

}  // namespace soul
