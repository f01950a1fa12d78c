// One read of a gradient: its norm, and whether every element is finite.
#pragma once

#include <cstdint>

namespace soul {

struct GradientScan {
  double square_sum = 0;
  int64_t non_finite = 0;
};

// The square sum is in double over blocks of a fixed size: the same bits however the blocks are shared out.
GradientScan ScanGradient(const float* gradients, int64_t length);

}  // namespace soul
