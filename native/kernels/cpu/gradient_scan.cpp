#include "kernels/cpu/gradient_scan.h"

#include "kernels/cpu/lanes.h"
#include "kernels/float_math.h"

namespace soul {
namespace {

SOUL_CLONES GradientScan ScanBlock(const float* gradients, int64_t length) {
  double squares[kLanes] = {};
  int32_t non_finite[kLanes] = {};
  ForEachLane(0, length, [&](int64_t i, int lane) __attribute__((always_inline)) {
    const double g = gradients[i];
    squares[lane] += g * g;
    non_finite[lane] += (FloatBits(gradients[i]) & 0x7f800000u) == 0x7f800000u ? 1 : 0;
  });
  GradientScan scan{SumOfLanes(squares), 0};
  for (int32_t count : non_finite) scan.non_finite += count;
  return scan;
}

}  // namespace

GradientScan ScanGradient(const float* gradients, int64_t length) {
  GradientScan scan;
  for (int64_t begin = 0; begin < length; begin += kBlock) {
    const GradientScan block =
        ScanBlock(gradients + begin, begin + kBlock < length ? kBlock : length - begin);
    scan.square_sum += block.square_sum;
    scan.non_finite += block.non_finite;
  }
  return scan;
}

}  // namespace soul
