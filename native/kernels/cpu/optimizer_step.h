// Optimizer steps over flat float32 memory on the CPU.
#pragma once

#include <cstdint>

#include "kernels/adamw.h"
#include "kernels/sophia.h"

namespace soul {

// What one pass over a segment counted.
struct StepCounts {
  int64_t clipped = 0;
  int64_t changed = 0;
  double square_sum = 0;  // of the gradient as it came, before clipping; 0 unless asked for

  StepCounts& operator+=(const StepCounts& other) {
    clipped += other.clipped;
    changed += other.changed;
    square_sum += other.square_sum;
    return *this;
  }
};

// An estimate that goes into h: h <- decay * h + scale * g * g. No gradients: no estimate.
struct HessianEstimate {
  const float* gradients = nullptr;
  float decay = 0;
  float scale = 0;
};

struct SophiaMemory {
  float* values;
  float* gradients;
  float* momentum;
  float* hessian;
};

struct AdamWMemory {
  float* values;
  float* gradients;
  float* average;
  float* square_average;
};

void UpdateHessian(float* hessian, const HessianEstimate& estimate, int64_t begin, int64_t end);

// Estimate, step and zeroing of the gradients for [begin, end) in one pass over memory. The estimate may read
// the gradients themselves. `sum_squares` asks for the square sum.
StepCounts StepSophia(const SophiaMemory& memory, const HessianEstimate& estimate, Denominator denominator,
                      const SophiaCoefficients& coefficients, bool zero_gradients, bool sum_squares,
                      int64_t begin, int64_t end);

StepCounts StepAdamW(const AdamWMemory& memory, const AdamWCoefficients& coefficients, bool zero_gradients,
                     bool sum_squares, int64_t begin, int64_t end);

}  // namespace soul
