// What an optimizer's call does in its turn: the order of estimates and steps, the guard, then one pass.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/memory.h"
#include "kernels/step_plan.h"
#include "runtime/order_statistic.h"
#include "runtime/thread_pool.h"

namespace soul {

// A range of the buffers that a step treats alike.
struct Segment {
  int64_t begin;
  int64_t end;
  double learning_rate_scale;
  double weight_decay;  // NaN: the step's own
  bool counts_for_rho;  // false for embeddings, most of whose rows have no curvature
};

// A segment's step size, and the share of a weight that stays.
double LearningRateOf(const Segment& segment, const StepSettings& settings);
float KeepOf(const Segment& segment, const StepSettings& settings);

// Ranges whose weights rho is found from: all, where no segment counts.
std::vector<ElementRange> RangesForRho(const std::vector<Segment>& segments, int64_t length);

struct SegmentCounts {
  int64_t stepped;
  int64_t clipped;
  int64_t changed;
};

// `error` is a sentence when the call came at the wrong time; nothing has changed then. Nor has it when a
// step is `skipped`; a skipped part of an estimate counts as done.
struct StepReport {
  std::array<double, kControlSlots> control{};  // the counters after the call
  std::string error;
  bool skipped = false;
  double gradient_norm = 0;
  std::vector<SegmentCounts> segments;
};

// A sentence that says what to do, empty for no error. `part` is the one that a Hessian's update was given.
std::string SentenceOf(StepError error, const double* control, int64_t part);

// Each moves the counters of `control` (ControlSlot) on.
StepReport RunSophiaStep(ThreadPool& pool, double* control, const SophiaMemory& memory, int64_t length,
                         const std::vector<Segment>& segments, const SophiaSettings& settings);

StepReport RunAdamWStep(ThreadPool& pool, double* control, const AdamWMemory& memory, int64_t length,
                        const std::vector<Segment>& segments, const StepSettings& settings);

StepReport RunHessianUpdate(ThreadPool& pool, double* control, const Elements& hessian,
                            const Elements& gradients, FrozenMask frozen, int64_t length,
                            const HessianSettings& settings);

}  // namespace soul
