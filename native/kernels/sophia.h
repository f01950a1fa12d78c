// Sophia's arithmetic (arXiv 2305.14342, algorithm 3; both denominators, docs/architecture.md).
#pragma once

#include "kernels/float_math.h"
#include "kernels/host_device.h"

namespace soul {

// What is the same for every weight of a segment in one step. Computed in double, rounded once.
struct SophiaCoefficients {
  float gradient_scale;  // clipping, and the sign of `maximize`
  float beta1;
  float one_minus_beta1;
  float momentum_scale;  // 1, or 1 / (1 - beta1^t)
  float rho;
  // The denominator is max(rho * h, floor) + addend. The reference code's rho * h + epsilon: floor -infinity,
  // addend epsilon. The paper's max(rho * h, epsilon): floor epsilon, addend 0.
  float floor;
  float addend;
  float learning_rate;
  float keep;  // 1 - learning_rate * weight_decay
};

struct SophiaUpdate {
  float value;
  float momentum;
  int32_t clipped;  // 1 or 0: a bool would keep compilers from vectorising the count
};

// h <- decay * h + scale * g * g, where scale holds (1 - beta2), B and the part's weight. Without decay h is
// set, whatever it was.
SOUL_HOST_DEVICE float HessianAverage(float hessian, float gradient, float decay, float scale) {
  return (decay > 0.0f ? decay * hessian : 0.0f) + scale * gradient * gradient;
}

SOUL_HOST_DEVICE float Momentum(float momentum, float gradient, const SophiaCoefficients& c) {
  return c.beta1 * momentum + c.one_minus_beta1 * (c.gradient_scale * gradient);
}

SOUL_HOST_DEVICE SophiaUpdate SophiaStep(float value, float momentum, float hessian, float gradient,
                                         const SophiaCoefficients& c) {
  const float m = Momentum(momentum, gradient, c);
  const float curvature = c.rho * hessian;
  // Both comparisons let NaN through.
  const float denominator = (c.floor > curvature ? c.floor : curvature) + c.addend;
  const float ratio = Magnitude(m) * c.momentum_scale / denominator;
  const int32_t clipped = ratio >= 1.0f ? 1 : 0;
  const float bounded = 1.0f < ratio ? 1.0f : ratio;
  return {value * c.keep - c.learning_rate * TimesSign(bounded, m), m, clipped};
}

}  // namespace soul
