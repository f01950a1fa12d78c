#include <algorithm>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/optimizer_step.h"

namespace soul {
namespace {

SOUL_CLONES void UpdateHessianBlock(float* __restrict hessian, const float* __restrict gradients, float decay,
                                    float scale, int64_t length) {
  for (int64_t i = 0; i < length; ++i) hessian[i] = HessianAverage(hessian[i], gradients[i], decay, scale);
}

template <Denominator kDenominator>
SOUL_HOST_DEVICE StepCounts StepBlock(float* __restrict values, const float* __restrict gradients,
                                      float* __restrict momentum, const float* __restrict hessian,
                                      const SophiaCoefficients c, bool sum_squares, int64_t length) {
  const double square_sum = sum_squares ? SquareSumOfBlock(gradients, length) : 0;
  int32_t clipped = 0;
  int32_t changed = 0;
  for (int64_t i = 0; i < length; ++i) {
    const SophiaUpdate update = SophiaStep<kDenominator>(values[i], momentum[i], hessian[i], gradients[i], c);
    clipped += update.clipped;
    changed += FloatBits(update.value) != FloatBits(values[i]);
    values[i] = update.value;
    momentum[i] = update.momentum;
  }
  return {clipped, changed, square_sum};
}

SOUL_CLONES StepCounts StepBlockSum(float* values, const float* gradients, float* momentum,
                                    const float* hessian, const SophiaCoefficients& c, bool sum_squares,
                                    int64_t length) {
  return StepBlock<Denominator::kSum>(values, gradients, momentum, hessian, c, sum_squares, length);
}

SOUL_CLONES StepCounts StepBlockMax(float* values, const float* gradients, float* momentum,
                                    const float* hessian, const SophiaCoefficients& c, bool sum_squares,
                                    int64_t length) {
  return StepBlock<Denominator::kMax>(values, gradients, momentum, hessian, c, sum_squares, length);
}

}  // namespace

void UpdateHessian(float* hessian, const HessianEstimate& estimate, int64_t begin, int64_t end) {
  UpdateHessianBlock(hessian + begin, estimate.gradients + begin, estimate.decay, estimate.scale,
                     end - begin);
}

StepCounts StepSophia(const SophiaMemory& memory, const HessianEstimate& estimate, Denominator denominator,
                      const SophiaCoefficients& coefficients, bool zero_gradients, bool sum_squares,
                      int64_t begin, int64_t end) {
  StepCounts counts;
  // Block by block, so that what one loop leaves is still in the nearest cache when the next one reads it.
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t length = std::min(kBlock, end - at);
    if (estimate.gradients != nullptr) {
      UpdateHessianBlock(memory.hessian + at, estimate.gradients + at, estimate.decay, estimate.scale,
                         length);
    }
    const auto step = denominator == Denominator::kSum ? StepBlockSum : StepBlockMax;
    counts += step(memory.values + at, memory.gradients + at, memory.momentum + at, memory.hessian + at,
                   coefficients, sum_squares, length);
    if (zero_gradients) std::fill_n(memory.gradients + at, length, 0.0f);
  }
  return counts;
}

}  // namespace soul
