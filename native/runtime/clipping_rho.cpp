#include "runtime/clipping_rho.h"

#include <limits>

#include "kernels/clipping_ratio.h"
#include "kernels/cpu/kernels.h"
#include "runtime/chunks.h"

namespace soul {

double ClippingRho(ThreadPool& pool, const SophiaMemory& memory, const HessianEstimate& estimate,
                   const SophiaCoefficients& coefficients, const std::vector<ElementRange>& ranges,
                   double clipped_fraction) {
  const CpuKernels& kernels = ActiveKernels();
  FiniteSum hessian;
  for (const ElementRange& range : ranges) {
    hessian += SumOfChunks<FiniteSum>(pool, range.begin, range.end, [&](int64_t begin, int64_t end) {
      return kernels.sum_hessian(memory, estimate, begin, end);
    });
  }
  const float least = LeastReliableHessian(hessian.sum, hessian.count);
  const std::optional<uint32_t> key =
      KeyReachedBy(pool, ranges, clipped_fraction, [&](int64_t from, int32_t length, uint32_t* keys) {
        kernels.ratio_keys(memory, estimate, coefficients, least, from, length, keys);
      });
  return key ? static_cast<double>(FloatFromBits(*key)) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace soul
