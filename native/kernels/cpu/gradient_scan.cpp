#include "kernels/cpu/gradient_scan.h"

#include "kernels/cpu/lanes.h"
#include "kernels/float_math.h"

namespace soul {
namespace {

SOUL_CLONES GradientScan ScanBlock(const float* gradients, int64_t length) {
  int32_t non_finite = 0;
  for (int64_t i = 0; i < length; ++i) {
    non_finite += (FloatBits(gradients[i]) & 0x7f800000u) == 0x7f800000u;
  }
  return {SquareSumOfBlock(gradients, length), non_finite};
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
