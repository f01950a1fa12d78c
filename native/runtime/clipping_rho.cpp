#include "runtime/clipping_rho.h"

#include <cmath>
#include <limits>

#include "kernels/cpu/kernels.h"
#include "runtime/chunks.h"

namespace soul {
namespace {

constexpr double kReliableShare = 1e-7;

// The largest float that is not above x: a float is above the one where it is above the other.
float RoundDown(double x) {
  const auto nearest = static_cast<float>(x);
  return static_cast<double>(nearest) > x ? std::nextafter(nearest, -std::numeric_limits<float>::infinity())
                                          : nearest;
}

}  // namespace

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
  const float least = RoundDown(kReliableShare * hessian.sum / static_cast<double>(hessian.count));
  const std::optional<uint32_t> key =
      KeyReachedBy(pool, ranges, clipped_fraction, [&](int64_t from, int32_t length, uint32_t* keys) {
        kernels.ratio_keys(memory, estimate, coefficients, least, from, length, keys);
      });
  return key ? static_cast<double>(FloatFromBits(*key)) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace soul
