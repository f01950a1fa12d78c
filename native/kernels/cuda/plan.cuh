// Decisions of a call, made on the device by one block: the host is not asked.
#pragma once

#include "kernels/clipping_ratio.h"
#include "kernels/cuda/optimizer_parameters.h"
#include "kernels/cuda/reduce.cuh"

namespace soul {

// What all blocks saw, in the first thread.
SOUL_DEVICE ScanPartial SumOfScan(const CallParameters& call) {
  ScanPartial own{};
  for (int64_t i = ThreadIndex(); i < call.partial_count; i += ThreadCount()) {
    own.square_sum += call.partials[i].square_sum;
    own.non_finite += call.partials[i].non_finite;
    own.non_finite_estimates += call.partials[i].non_finite_estimates;
  }
  return {BlockSum(own.square_sum), BlockSum(own.non_finite), BlockSum(own.non_finite_estimates)};
}

SOUL_DEVICE void ZeroCounts(const CallParameters& call) {
  for (int64_t i = ThreadIndex(); i < call.count_of_counts; i += ThreadCount()) call.counts[i] = 0;
}

SOUL_DEVICE void LeaveOutcome(const double* control, StepError error, bool skip, double norm,
                              CallOutcome* outcome) {
  for (int slot = 0; slot < kControlSlots; ++slot) outcome->control[slot] = control[slot];
  outcome->norm = norm;
  outcome->error = error;
  outcome->skipped = skip ? 1 : 0;
}

SOUL_DEVICE void PlanSophia(const SophiaPlanParameters& parameters) {
  const CallParameters& call = parameters.call;
  const ScanPartial scan = SumOfScan(call);
  ZeroCounts(call);
  if (ThreadIndex() != 0) return;
  SophiaPlan plan;
  plan.error = ProblemOfSophiaStep(call.control, parameters.settings, parameters.length);
  if (plan.error == StepError::kNone) {
    plan = PlanSophiaStep(call.control, parameters.settings, parameters.length, scan.square_sum,
                          static_cast<int64_t>(scan.non_finite),
                          static_cast<int64_t>(scan.non_finite_estimates));
    if (plan.searches_rho && !parameters.search_follows) plan.error = StepError::kNotSearched;
    if (plan.error == StepError::kNone && !plan.skip && !plan.searches_rho) {
      CountSophiaStep(call.control, parameters.settings, plan);
    }
  }
  LeaveOutcome(call.control, plan.error, plan.skip, plan.norm, call.outcome);
  *parameters.plan = plan;
}

// One thread: after the search.
SOUL_DEVICE void SetRho(const RhoParameters& parameters) {
  SophiaPlan& plan = *parameters.plan;
  if (ThreadIndex() != 0 || plan.error != StepError::kNone || !plan.searches_rho) return;
  const SearchProgress& found = parameters.search->order.progress;
  const float rho = found.total > 0 ? FloatFromBits(found.prefix) : NotANumber();
  PlanRho(parameters.control, static_cast<double>(rho), &plan);
  if (plan.error == StepError::kNone) CountSophiaStep(parameters.control, parameters.settings, plan);
  LeaveOutcome(parameters.control, plan.error, plan.skip, plan.norm, parameters.outcome);
}

SOUL_DEVICE void PlanAdamW(const AdamWPlanParameters& parameters) {
  const CallParameters& call = parameters.call;
  const ScanPartial scan = SumOfScan(call);
  ZeroCounts(call);
  if (ThreadIndex() != 0) return;
  AdamWPlan plan;
  if (IsDamaged(call.control)) {
    plan.error = StepError::kDamaged;
  } else {
    plan = PlanAdamWStep(call.control, parameters.settings, scan.square_sum,
                         static_cast<int64_t>(scan.non_finite));
    if (!plan.skip) call.control[kStep] = plan.step;
  }
  LeaveOutcome(call.control, plan.error, plan.skip, plan.norm, call.outcome);
  *parameters.plan = plan;
}

SOUL_DEVICE void PlanHessian(const HessianPlanParameters& parameters) {
  const CallParameters& call = parameters.call;
  const ScanPartial scan = SumOfScan(call);
  if (ThreadIndex() != 0) return;
  HessianPlan plan;
  plan.error = ProblemOfHessianUpdate(call.control, parameters.settings);
  if (plan.error == StepError::kNone) {
    plan = PlanHessianUpdate(call.control, parameters.settings, static_cast<int64_t>(scan.non_finite));
  }
  LeaveOutcome(call.control, plan.error, plan.skip, 0, call.outcome);
  *parameters.plan = plan;
}

}  // namespace soul
