// The rho at which a step would clip a given fraction of weights.
#pragma once

#include <vector>

#include "kernels/memory.h"
#include "kernels/sophia.h"
#include "runtime/order_statistic.h"
#include "runtime/thread_pool.h"

namespace soul {

// Of |m| / h over the weights of `ranges` that are not frozen and whose h is finite and above 1e-7 of the
// mean h there, the value that a fraction `clipped_fraction` of them reaches: an exact order statistic. NaN
// ratios are left out. m and h are as the step will leave them, before they are rounded to their dtype;
// nothing is written. NaN when no weight has a usable h.
double ClippingRho(ThreadPool& pool, const SophiaMemory& memory, const HessianEstimate& estimate,
                   const SophiaCoefficients& coefficients, const std::vector<ElementRange>& ranges,
                   double clipped_fraction);

}  // namespace soul
