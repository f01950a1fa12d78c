// What operations on whole vectors take and give.
#pragma once

#include <cstdint>

#include "kernels/memory.h"

namespace soul {

constexpr int32_t kMostVectors = 4;

// Of each vector with itself and those after it: (0, 0), (0, 1), ..., (1, 1), (1, 2), ...
struct InnerProducts {
  double sums[kMostVectors * (kMostVectors + 1) / 2] = {};

  InnerProducts& operator+=(const InnerProducts& other) {
    for (int i = 0; i < kMostVectors * (kMostVectors + 1) / 2; ++i) sums[i] += other.sums[i];
    return *this;
  }
};

enum class MagnitudeOf { kElement, kProduct, kRatio };

// |a|, |a * b|, or |a| / b where b is not negative.
struct MagnitudeTerms {
  MagnitudeOf of;
  Elements a;
  Elements b;
};

}  // namespace soul
