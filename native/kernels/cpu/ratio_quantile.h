// The rho at which a step would clip a given fraction of weights.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/optimizer_step.h"

namespace soul {

struct ElementRange {
  int64_t begin;
  int64_t end;
};

// Of |m| / h over the weights of `ranges` whose h is finite and above 1e-7 of the mean h there, the value
// that a fraction `clipped_fraction` of them reaches: an exact order statistic. NaN ratios are left out. m
// and h are as the step will leave them; nothing is written. NaN when no weight has a usable h.
double ClippingRho(const SophiaMemory& memory, const HessianEstimate& estimate,
                   const SophiaCoefficients& coefficients, const std::vector<ElementRange>& ranges,
                   double clipped_fraction);

}  // namespace soul
