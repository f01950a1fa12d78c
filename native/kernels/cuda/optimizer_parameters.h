// What the optimizers' kernels take and leave in device memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/order_statistic_parameters.h"
#include "kernels/cuda/tiles.h"
#include "kernels/memory.h"
#include "kernels/step_plan.h"

namespace soul {

// What one block saw of the gradients, and of the estimate where that is read too.
struct ScanPartial {
  double square_sum;
  uint64_t non_finite;  // threads that saw one
  uint64_t non_finite_estimates;
};

struct ScanParameters {
  Elements gradients;
  Elements estimates;  // none: null
  FrozenMask frozen;
  int64_t length;
  ScanPartial* partials;  // one for each block
};

// What the host reads back of every call. The counts of a step's ranges follow it.
struct CallOutcome {
  double control[kControlSlots];
  double norm;
  StepError error;
  int32_t skipped;
};

// Weights of a range that are not frozen, that were clipped, and that changed.
constexpr int32_t kCountsOfRange = 3;

// What the kernels that plan a call have in common: one block.
struct CallParameters {
  double* control;
  const ScanPartial* partials;
  int64_t partial_count;
  CallOutcome* outcome;
  uint64_t* counts;  // to be zeroed
  int64_t count_of_counts;
};

struct SophiaPlanParameters {
  CallParameters call;
  SophiaSettings settings;
  int64_t length;
  bool search_follows;  // rho may have to be found, and the kernels for it are enqueued
  SophiaPlan* plan;
};

struct AdamWPlanParameters {
  CallParameters call;
  StepSettings settings;
  AdamWPlan* plan;
};

struct HessianPlanParameters {
  CallParameters call;
  HessianSettings settings;
  HessianPlan* plan;
};

// A range of weights that a step treats alike, cut into tiles that are numbered on from the range before.
struct StepRange {
  int64_t begin;
  int64_t end;
  int64_t first_tile;
  double learning_rate;
  float keep;
};

constexpr int32_t kMostRanges = 32;

struct StepRanges {
  int64_t tiles;
  int32_t count;
  StepRange ranges[kMostRanges];
};

// The range that a tile belongs to, looked for from range `from` on.
SOUL_HOST_DEVICE int32_t RangeOfTile(const StepRanges& ranges, int64_t tile, int32_t from) {
  int32_t range = from;
  while (range + 1 < ranges.count && tile >= ranges.ranges[range + 1].first_tile) ++range;
  return range;
}

template <typename Plan>
struct StepParameters {
  void* values;
  float* master;
  void* gradients;
  void* first_state;
  void* second_state;
  const void* estimates;
  FrozenMask frozen;
  const Plan* plan;
  uint64_t* counts;     // kCountsOfRange for each range
  double* square_sums;  // one for each block; null: not asked for
  uint64_t seed;
  bool stochastic;
  bool zero_gradients;
  StepRanges ranges;
};

using SophiaParameters = StepParameters<SophiaPlan>;
using AdamWParameters = StepParameters<AdamWPlan>;

struct HessianParameters {
  void* hessian;
  const void* gradients;
  FrozenMask frozen;
  const HessianPlan* plan;
  uint64_t seed;
  bool stochastic;
  int64_t length;
};

// What one block saw of h.
struct HessianPartial {
  double sum;
  uint64_t count;  // of finite ones
};

// The search for rho. Begins as zeros.
struct ClippingSearch {
  OrderSearch order;
  float least;  // an h above it counts
};

struct ClippingParameters {
  Elements hessian;
  Elements momentum;
  Elements gradients;
  Elements estimates;  // none: null
  FrozenMask frozen;
  const SophiaPlan* plan;
  ClippingSearch* search;
  HessianPartial* partials;  // one for each block
  int32_t pass;
  StepRanges ranges;
};

struct LeastHessianParameters {
  const SophiaPlan* plan;
  ClippingSearch* search;
  const HessianPartial* partials;
  int64_t partial_count;
};

struct RhoParameters {
  double* control;
  SophiaSettings settings;
  SophiaPlan* plan;
  const ClippingSearch* search;
  CallOutcome* outcome;
};

static_assert(sizeof(SophiaParameters) <= 4096 && sizeof(ClippingParameters) <= 4096 &&
              sizeof(SophiaPlanParameters) <= 4096);

}  // namespace soul
