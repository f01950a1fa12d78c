// What an optimizer's call does in its turn: the order of estimates and steps, the guard, then one pass.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/memory.h"
#include "runtime/thread_pool.h"

namespace soul {

// An optimizer's counters, in memory that JavaScript shares, so that calls that nobody awaits find them
// right.
enum ControlSlot : int {
  kStep,        // steps taken
  kRho,         // NaN until it is set
  kEstimates,   // estimates that h holds
  kPartsTotal,  // parts of the estimate under way, 0 when none is
  kPartsDone,
  kPartsKept,   // of those, the ones that were finite
  kPartsPrime,  // 1 when the estimate under way sets h instead of averaging
  kControlSlots,
};

// A range of the buffers that a step treats alike.
struct Segment {
  int64_t begin;
  int64_t end;
  double learning_rate_scale;
  double weight_decay;  // NaN: the step's own
  bool counts_for_rho;  // false for embeddings, most of whose rows have no curvature
};

// The paper's max(rho * h, epsilon) or the reference code's rho * h + epsilon.
enum class Denominator {
  kSum,
  kMax,
};

struct StepSettings {
  double learning_rate = 0;
  double weight_decay = 0;
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
  double clip_norm = 0;  // 0: no clipping
  bool maximize = false;
  bool skip_non_finite = true;
  bool zero_gradients = false;
  bool stochastic_rounding = false;
  uint64_t seed = 0;  // of stochastic rounding
};

struct SophiaSettings : StepSettings {
  Denominator denominator = Denominator::kSum;
  double clipped_fraction = 0;  // above 0: rho is set from it at the first step
  bool momentum_correction = false;
  // An estimate to take first, in the same pass; none without `estimate_from`.
  Elements estimate_from;
  double batch_size = 0;
  bool prime = false;
  bool estimate_clipped = false;  // the estimate is of the clipped gradient (the SOUL repository)
};

struct HessianSettings {
  double beta2 = 0;
  double batch_size = 0;
  int64_t part = 0;
  int64_t parts = 1;
  bool prime = false;
  bool skip_non_finite = true;
  bool stochastic_rounding = false;
  uint64_t seed = 0;
};

struct SegmentCounts {
  int64_t stepped;
  int64_t clipped;
  int64_t changed;
};

// `error` is a sentence when the call came at the wrong time; nothing has changed then. Nor has it when a
// step is `skipped`; a skipped part of an estimate counts as done.
struct StepReport {
  std::string error;
  bool skipped = false;
  double gradient_norm = 0;
  std::vector<SegmentCounts> segments;
};

StepReport RunSophiaStep(ThreadPool& pool, double* control, const SophiaMemory& memory, int64_t length,
                         const std::vector<Segment>& segments, const SophiaSettings& settings);

StepReport RunAdamWStep(ThreadPool& pool, double* control, const AdamWMemory& memory, int64_t length,
                        const std::vector<Segment>& segments, const StepSettings& settings);

StepReport RunHessianUpdate(ThreadPool& pool, double* control, const Elements& hessian,
                            const Elements& gradients, FrozenMask frozen, int64_t length,
                            const HessianSettings& settings);

}  // namespace soul
