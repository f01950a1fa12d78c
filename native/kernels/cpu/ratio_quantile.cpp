#include "kernels/cpu/ratio_quantile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/float_math.h"

namespace soul {
namespace {

constexpr double kReliableShare = 1e-7;
constexpr std::size_t kBins = std::size_t{1} << 16;

struct Bin {
  std::size_t index;
  int64_t rank;  // among the bin's own, from the largest, counted from 1
};

// The bin that holds the `rank`-th largest.
Bin FindBin(const std::vector<int64_t>& counts, int64_t rank) {
  std::size_t index = kBins - 1;
  while (index > 0 && rank > counts[index]) rank -= counts[index--];
  return {index, rank};
}

}  // namespace

double ClippingRho(const SophiaMemory& memory, const HessianEstimate& estimate,
                   const SophiaCoefficients& coefficients, const std::vector<ElementRange>& ranges,
                   double clipped_fraction) {
  const auto hessian_of = [&](int64_t i) {
    return estimate.gradients == nullptr
               ? memory.hessian[i]
               : HessianAverage(memory.hessian[i], estimate.gradients[i], estimate.decay, estimate.scale);
  };
  double sum = 0;
  int64_t total = 0;
  for (const ElementRange& range : ranges) {
    for (int64_t i = range.begin; i < range.end; ++i) {
      const float hessian = hessian_of(i);
      if (!std::isfinite(hessian)) continue;
      sum += hessian;
      ++total;
    }
  }
  const double least = kReliableShare * sum / static_cast<double>(total);

  // Non-negative floats order as their bits do: the high half picks a bin, the low half the value within it.
  std::vector<int64_t> counts(kBins, 0);
  const auto for_each_ratio = [&](auto visit) {
    for (const ElementRange& range : ranges) {
      for (int64_t i = range.begin; i < range.end; ++i) {
        const float hessian = hessian_of(i);
        if (!(hessian > least) || !std::isfinite(hessian)) continue;
        const float m = Momentum(memory.momentum[i], memory.gradients[i], coefficients);
        const float ratio = Magnitude(m) * coefficients.momentum_scale / hessian;
        if (!std::isnan(ratio)) visit(FloatBits(ratio) & 0x7fffffffu);
      }
    }
  };
  int64_t reliable = 0;
  for_each_ratio([&](uint32_t bits) {
    ++counts[bits >> 16];
    ++reliable;
  });
  if (reliable == 0) return std::numeric_limits<double>::quiet_NaN();
  const int64_t wanted = std::llround(clipped_fraction * static_cast<double>(reliable));
  const Bin high = FindBin(counts, std::clamp<int64_t>(wanted, 1, reliable));
  std::fill(counts.begin(), counts.end(), 0);
  for_each_ratio([&](uint32_t bits) {
    if (bits >> 16 == high.index) ++counts[bits & 0xffffu];
  });
  const Bin low = FindBin(counts, high.rank);
  return FloatFromBits(static_cast<uint32_t>(high.index << 16 | low.index));
}

}  // namespace soul
