// AdamW's arithmetic (arXiv 1711.05101, algorithm 2), as torch.optim.AdamW has it.
#pragma once

#include <cmath>

#include "kernels/host_device.h"

namespace soul {

// What is the same for every weight of a segment in one step. Computed in double, rounded once.
struct AdamWCoefficients {
  float gradient_scale;  // clipping, and the sign of `maximize`
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float root_correction;  // sqrt(1 - beta2^t)
  float epsilon;
  float step_size;  // learning_rate / (1 - beta1^t)
  float keep;       // 1 - learning_rate * weight_decay
};

struct AdamWUpdate {
  float value;
  float average;
  float square_average;
};

SOUL_HOST_DEVICE AdamWUpdate AdamWStep(float value, float average, float square_average, float gradient,
                                       const AdamWCoefficients& c) {
  const float g = c.gradient_scale * gradient;
  const float m = average + c.one_minus_beta1 * (g - average);
  const float v = c.beta2 * square_average + c.one_minus_beta2 * g * g;
  const float denominator = std::sqrt(v) / c.root_correction + c.epsilon;
  return {value * c.keep - c.step_size * (m / denominator), m, v};
}

}  // namespace soul
