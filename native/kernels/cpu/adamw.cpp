#include <algorithm>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/optimizer_step.h"
#include "kernels/float_math.h"

namespace soul {
namespace {

SOUL_CLONES StepCounts StepBlock(float* __restrict values, const float* __restrict gradients,
                                 float* __restrict average, float* __restrict square_average,
                                 const AdamWCoefficients& c, bool sum_squares, int64_t length) {
  const double square_sum = sum_squares ? SquareSumOfBlock(gradients, length) : 0;
  int32_t changed = 0;
  for (int64_t i = 0; i < length; ++i) {
    const AdamWUpdate update = AdamWStep(values[i], average[i], square_average[i], gradients[i], c);
    changed += FloatBits(update.value) != FloatBits(values[i]);
    values[i] = update.value;
    average[i] = update.average;
    square_average[i] = update.square_average;
  }
  return {0, changed, square_sum};
}

}  // namespace

StepCounts StepAdamW(const AdamWMemory& memory, const AdamWCoefficients& coefficients, bool zero_gradients,
                     bool sum_squares, int64_t begin, int64_t end) {
  StepCounts counts;
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t length = std::min(kBlock, end - at);
    counts += StepBlock(memory.values + at, memory.gradients + at, memory.average + at,
                        memory.square_average + at, coefficients, sum_squares, length);
    if (zero_gradients) std::fill_n(memory.gradients + at, length, 0.0f);
  }
  return counts;
}

}  // namespace soul
