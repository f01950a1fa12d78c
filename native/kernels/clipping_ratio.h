// |m| / h, from which rho is set, and which weights have an h that says something.
#pragma once

#include <cstdint>

#include "kernels/float_math.h"
#include "kernels/host_device.h"
#include "kernels/order_statistic.h"
#include "kernels/sophia.h"

namespace soul {

// The largest float that is not above x, of x between the largest floats: a float is above the one where it
// is above the other.
SOUL_HOST_DEVICE float RoundDown(double x) {
  const auto nearest = static_cast<float>(x);
  if (!(static_cast<double>(nearest) > x)) return nearest;
  const uint32_t bits = FloatBits(nearest);
  // Below 0 lies the smallest negative number.
  if ((bits & 0x7fffffffu) == 0) return FloatFromBits(0x80000001u);
  return FloatFromBits(nearest > 0 ? bits - 1 : bits + 1);
}

// An h counts where it is above this: 1e-7 of the mean of those that are finite. NaN where none is.
SOUL_HOST_DEVICE float LeastReliableHessian(double sum, int64_t count) {
  constexpr double kReliableShare = 1e-7;
  return RoundDown(kReliableShare * sum / static_cast<double>(count));
}

SOUL_HOST_DEVICE bool IsFiniteNumber(float x) {
  return (FloatBits(x) & 0x7f800000u) != 0x7f800000u;
}

// The bits of |m| / h, m as the step will leave it; kNoKey where h does not count, and for NaN.
SOUL_HOST_DEVICE uint32_t ClippingRatioKey(float momentum, float hessian, float gradient, float least,
                                           const SophiaCoefficients& c) {
  const float ratio = Magnitude(Momentum(momentum, gradient, c)) * c.momentum_scale / hessian;
  return MagnitudeKey(ratio, hessian > least && IsFiniteNumber(hessian));
}

}  // namespace soul
