#include <algorithm>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/optimizer_step.h"
#include "kernels/float_math.h"

namespace soul {
namespace {

SOUL_CLONES StepCounts StepBlock(float* __restrict values, const float* __restrict gradients,
                                 float* __restrict average, float* __restrict square_average,
                                 const AdamWCoefficients& c, int64_t length) {
  double squares[kLanes] = {};
  int32_t changed[kLanes] = {};
  ForEachLane(0, length, [&](int64_t i, int lane) __attribute__((always_inline)) {
    const double g = gradients[i];
    squares[lane] += g * g;
    const AdamWUpdate update = AdamWStep(values[i], average[i], square_average[i], gradients[i], c);
    changed[lane] += FloatBits(update.value) != FloatBits(values[i]) ? 1 : 0;
    values[i] = update.value;
    average[i] = update.average;
    square_average[i] = update.square_average;
  });
  StepCounts counts;
  for (int32_t count : changed) counts.changed += count;
  counts.square_sum = SumOfLanes(squares);
  return counts;
}

}  // namespace

StepCounts StepAdamW(const AdamWMemory& memory, const AdamWCoefficients& coefficients, bool zero_gradients,
                     int64_t begin, int64_t end) {
  StepCounts counts;
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t length = std::min(kBlock, end - at);
    counts += StepBlock(memory.values + at, memory.gradients + at, memory.average + at,
                        memory.square_average + at, coefficients, length);
    if (zero_gradients) std::fill_n(memory.gradients + at, length, 0.0f);
  }
  return counts;
}

}  // namespace soul
