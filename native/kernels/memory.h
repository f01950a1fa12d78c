// The memory that loops walk: elements of a dtype, and what an optimizer's step touches.
#pragma once

#include <cstdint>

#include "kernels/storage.h"

namespace soul {

// Elements of one dtype; null: none.
struct Elements {
  void* data = nullptr;
  DType dtype = DType::kFloat32;

  explicit operator bool() const { return data != nullptr; }
  bool operator==(const Elements&) const = default;
};

// Memory that a memory-bound pass only touches, to learn what touching it costs.
struct Stream {
  Elements elements;
  bool read;
  bool written;
};

// Weight i is frozen where bit i % 8 of byte i / 8 is set. Null: none is.
using FrozenMask = const uint8_t*;

// How bfloat16 is rounded, where it is rounded at random: by the draws of a seed.
struct Rounding {
  bool stochastic = false;
  uint64_t seed = 0;
  uint64_t count = 0;
};

// Values are the master's where there is one; `values` is then its rounded copy.
struct ParameterMemory {
  Elements values;
  float* master = nullptr;
  Elements gradients;  // of the values' dtype
  FrozenMask frozen = nullptr;
};

struct SophiaMemory : ParameterMemory {
  Elements momentum;
  Elements hessian;  // of the momentum's dtype
};

struct AdamWMemory : ParameterMemory {
  Elements average;
  Elements square_average;  // of the average's dtype
};

// An estimate that goes into h: h <- decay * h + scale * g * g. No gradients: no estimate.
struct HessianEstimate {
  Elements gradients;
  float decay = 0;
  float scale = 0;
};

// What one pass over a range counted; frozen weights count for nothing.
struct StepCounts {
  int64_t stepped = 0;  // weights that are not frozen
  int64_t clipped = 0;
  int64_t changed = 0;
  double square_sum = 0;  // of the gradient as it came, before clipping; 0 unless asked for

  StepCounts& operator+=(const StepCounts& other) {
    stepped += other.stepped;
    clipped += other.clipped;
    changed += other.changed;
    square_sum += other.square_sum;
    return *this;
  }
};

struct GradientScan {
  double square_sum = 0;
  int64_t non_finite = 0;

  GradientScan& operator+=(const GradientScan& other) {
    square_sum += other.square_sum;
    non_finite += other.non_finite;
    return *this;
  }
};

// A sum over the finite numbers among others.
struct FiniteSum {
  double sum = 0;
  int64_t count = 0;

  FiniteSum& operator+=(const FiniteSum& other) {
    sum += other.sum;
    count += other.count;
    return *this;
  }
};

}  // namespace soul
