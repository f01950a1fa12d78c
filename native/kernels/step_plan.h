// What an optimizer's call decides before it touches a weight: whether it may happen now, the norm and the
// guard, the coefficients, and how the counters move on. The same on the host and on a device, in double,
// rounded once.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/adamw.h"
#include "kernels/float_math.h"
#include "kernels/host_device.h"
#include "kernels/memory.h"
#include "kernels/sophia.h"

namespace soul {

// An optimizer's counters, in memory on the parameters' device that jobs alone touch, so that calls that
// nobody awaits find them right. JavaScript has a copy of its own, which follows when a job is complete.
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
  bool find_rho = false;        // and at this one, whether or not it is known
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

// Why a call does nothing. Nothing has changed then.
enum class StepError : int32_t {
  kNone,
  kDamaged,       // what should be counters are none
  kUnfinished,    // an estimate in parts is unfinished, no step may come
  kOutOfOrder,    // another part of the estimate under way is due
  kBeforeFirst,   // a part that is not the first, with no estimate under way
  kPrimeTooLate,  // `prime` with a part after the first
  kNoEstimate,    // rho is to be set from h, which has none
  kNoCurvature,   // no weight has an h that rho could be set from
  kNoRatio,       // |m| / h is 0 or infinite at the fraction
  kNotSearched,   // rho is to be set, and JavaScript's copy says that it is
};

// What every step's plan says.
struct StepPlan {
  StepError error = StepError::kNone;
  bool skip = false;
  bool searches_rho = false;
  double norm = 0;  // of the gradient; 0 where it was not read
  double step = 0;  // this one's number
};

struct SophiaPlan : StepPlan {
  float decay = 0;  // of the estimate, where there is one
  float scale = 0;
  SophiaCoefficients coefficients = {};
};

struct AdamWPlan : StepPlan {
  double correction = 1;  // 1 - beta1^t
  AdamWCoefficients coefficients = {};
};

struct HessianPlan {
  StepError error = StepError::kNone;
  bool skip = false;
  bool zero = false;  // what is left of an estimate that was given up goes
  float decay = 0;
  float scale = 0;
  uint64_t count = 0;  // numbers the draws
};

SOUL_HOST_DEVICE bool IsCount(double value) {
  return value >= 0 && value <= 0x1p53;
}

SOUL_HOST_DEVICE bool IsDamaged(const double* control) {
  return !(IsCount(control[kStep]) && IsCount(control[kEstimates]) && IsCount(control[kPartsTotal]) &&
           IsCount(control[kPartsDone]) && IsCount(control[kPartsKept]) && IsCount(control[kPartsPrime]));
}

// base^exponent by repeated squaring: the same bits everywhere, which no library's pow promises.
SOUL_HOST_DEVICE double PowerOf(double base, double exponent) {
  double power = 1;
  for (auto rest = static_cast<uint64_t>(exponent); rest != 0; rest >>= 1) {
    if ((rest & 1) != 0) power *= base;
    base *= base;
  }
  return power;
}

// Without a guard and without clipping nothing is read before the step.
SOUL_HOST_DEVICE bool ReadsGradient(const StepSettings& settings) {
  return settings.skip_non_finite || settings.clip_norm > 0;
}

// Whether an estimate must be read before the step, beside the gradient.
SOUL_HOST_DEVICE bool ReadsEstimate(const SophiaSettings& settings, const Elements& gradients) {
  return settings.skip_non_finite && settings.estimate_from.data != nullptr &&
         (settings.estimate_from.data != gradients.data || settings.estimate_from.dtype != gradients.dtype);
}

// Fills norm and skip in, and returns what gradients are to be multiplied with.
SOUL_HOST_DEVICE double PlanGuard(const StepSettings& settings, double square_sum, int64_t non_finite,
                                  StepPlan* plan) {
  constexpr double kClipEpsilon = 1e-6;  // torch's clip_grad_norm_ adds this to the norm
  double scale = 1;
  if (ReadsGradient(settings)) {
    plan->norm = std::sqrt(square_sum);
    plan->skip = settings.skip_non_finite && non_finite > 0;
    if (settings.clip_norm > 0) {
      const double clipped = settings.clip_norm / (plan->norm + kClipEpsilon);
      scale = clipped > 1 ? 1 : clipped;
    }
  }
  return settings.maximize ? -scale : scale;
}

SOUL_HOST_DEVICE bool FindsRho(const double* control, const SophiaSettings& settings, int64_t length) {
  return settings.clipped_fraction > 0 && length > 0 && (settings.find_rho || control[kRho] != control[kRho]);
}

SOUL_HOST_DEVICE StepError ProblemOfSophiaStep(const double* control, const SophiaSettings& settings,
                                               int64_t length) {
  if (IsDamaged(control)) return StepError::kDamaged;
  if (control[kPartsTotal] > 0) return StepError::kUnfinished;
  const bool estimated = settings.estimate_from.data != nullptr || control[kEstimates] > 0;
  return FindsRho(control, settings, length) && !estimated ? StepError::kNoEstimate : StepError::kNone;
}

// For a step that has no problem, from one read of the gradient and of the estimate. The coefficients lack
// what a segment has of its own, and rho where it has yet to be found.
SOUL_HOST_DEVICE SophiaPlan PlanSophiaStep(const double* control, const SophiaSettings& settings,
                                           int64_t length, double square_sum, int64_t non_finite,
                                           int64_t non_finite_estimates) {
  SophiaPlan plan;
  const double guard_scale = PlanGuard(settings, square_sum, non_finite, &plan);
  plan.skip = plan.skip || (settings.skip_non_finite && non_finite_estimates > 0);
  plan.searches_rho = !plan.skip && FindsRho(control, settings, length);
  plan.step = control[kStep] + 1;
  if (settings.estimate_from.data != nullptr) {
    const double share = settings.prime ? 1 : 1 - settings.beta2;
    const double clip = settings.estimate_clipped ? guard_scale : 1;
    plan.decay = ToFloat(settings.prime ? 0 : settings.beta2);
    plan.scale = ToFloat(share * settings.batch_size * clip * clip);
  }
  const double correction = settings.momentum_correction ? 1 / (1 - PowerOf(settings.beta1, plan.step)) : 1;
  const float epsilon = ToFloat(settings.epsilon);
  const bool floored = settings.denominator == Denominator::kMax;
  plan.coefficients = {.gradient_scale = ToFloat(guard_scale),
                       .beta1 = ToFloat(settings.beta1),
                       .one_minus_beta1 = ToFloat(1 - settings.beta1),
                       .momentum_scale = ToFloat(correction),
                       .rho = ToFloat(control[kRho]),
                       .floor = floored ? epsilon : -Infinity(),
                       .addend = floored ? 0 : epsilon,
                       .learning_rate = 0,
                       .keep = 1};
  return plan;
}

// What was found for rho goes into the plan and the counters; NaN: no weight had a usable h. One that is
// known already holds where none was found.
SOUL_HOST_DEVICE void PlanRho(double* control, double rho, SophiaPlan* plan) {
  if (!(rho > 0 && rho <= 0x1.fffffep127)) {
    if (control[kRho] == control[kRho]) return;
    plan->error = rho != rho ? StepError::kNoCurvature : StepError::kNoRatio;
    return;
  }
  control[kRho] = rho;
  plan->coefficients.rho = ToFloat(rho);
}

// The counters after a step that was neither refused nor skipped.
SOUL_HOST_DEVICE void CountSophiaStep(double* control, const SophiaSettings& settings,
                                      const SophiaPlan& plan) {
  if (settings.estimate_from.data != nullptr) control[kEstimates] += 1;
  control[kStep] = plan.step;
}

// For counters that are not damaged.
SOUL_HOST_DEVICE AdamWPlan PlanAdamWStep(const double* control, const StepSettings& settings,
                                         double square_sum, int64_t non_finite) {
  AdamWPlan plan;
  const double guard_scale = PlanGuard(settings, square_sum, non_finite, &plan);
  plan.step = control[kStep] + 1;
  plan.correction = 1 - PowerOf(settings.beta1, plan.step);
  plan.coefficients = {.gradient_scale = ToFloat(guard_scale),
                       .one_minus_beta1 = ToFloat(1 - settings.beta1),
                       .beta2 = ToFloat(settings.beta2),
                       .one_minus_beta2 = ToFloat(1 - settings.beta2),
                       .root_correction = ToFloat(std::sqrt(1 - PowerOf(settings.beta2, plan.step))),
                       .epsilon = ToFloat(settings.epsilon),
                       .step_size = 0,
                       .keep = 1};
  return plan;
}

// Part 0 with `prime` gives up what is under way.
SOUL_HOST_DEVICE bool GivesUp(const double* control, const HessianSettings& settings) {
  return control[kPartsTotal] > 0 && settings.part == 0 && settings.prime;
}

SOUL_HOST_DEVICE StepError ProblemOfHessianUpdate(const double* control, const HessianSettings& settings) {
  if (IsDamaged(control)) return StepError::kDamaged;
  if (control[kPartsTotal] == 0 || GivesUp(control, settings)) {
    return settings.part == 0 ? StepError::kNone : StepError::kBeforeFirst;
  }
  if (control[kPartsTotal] != static_cast<double>(settings.parts) ||
      control[kPartsDone] != static_cast<double>(settings.part)) {
    return StepError::kOutOfOrder;
  }
  return settings.prime && control[kPartsPrime] == 0 ? StepError::kPrimeTooLate : StepError::kNone;
}

// For an update that has no problem; moves the counters on. A skipped part counts as done.
SOUL_HOST_DEVICE HessianPlan PlanHessianUpdate(double* control, const HessianSettings& settings,
                                               int64_t non_finite) {
  HessianPlan plan;
  const auto parts = static_cast<double>(settings.parts);
  plan.skip = settings.skip_non_finite && non_finite > 0;
  if (GivesUp(control, settings)) {
    // The new one sets h, whatever it is. Should it be left out, no h is better than a piece of one.
    plan.zero = plan.skip && control[kPartsKept] > 0;
    if (control[kPartsKept] > 0) control[kEstimates] = 0;
    control[kPartsTotal] = 0;
  }
  if (control[kPartsTotal] == 0) {
    control[kPartsTotal] = parts;
    control[kPartsDone] = 0;
    control[kPartsKept] = 0;
    control[kPartsPrime] = settings.prime ? 1 : 0;
  }
  if (!plan.skip) {
    const bool prime = control[kPartsPrime] != 0;
    // The first part that counts makes room for all of them.
    const bool first = control[kPartsKept] == 0;
    const double share = (prime ? 1 : 1 - settings.beta2) / parts;
    plan.decay = ToFloat(!first ? 1 : prime ? 0 : settings.beta2);
    plan.scale = ToFloat(share * settings.batch_size);
    // What h has taken in so far numbers the draws.
    plan.count =
        static_cast<uint64_t>(control[kEstimates]) << 32 | static_cast<uint64_t>(control[kPartsKept]);
    control[kPartsKept] += 1;
  }
  control[kPartsDone] += 1;
  if (control[kPartsDone] == parts) {
    if (control[kPartsKept] > 0) control[kEstimates] += 1;
    control[kPartsTotal] = 0;
  }
  return plan;
}

}  // namespace soul
