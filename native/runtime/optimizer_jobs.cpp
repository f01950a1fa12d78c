#include "runtime/optimizer_jobs.h"

#include <cmath>
#include <cstring>

#include "kernels/cpu/kernels.h"
#include "runtime/chunks.h"
#include "runtime/clipping_rho.h"

namespace soul {
namespace {

GradientScan Scan(ThreadPool& pool, const Elements& gradients, FrozenMask frozen, int64_t length) {
  const CpuKernels& kernels = ActiveKernels();
  return SumOfChunks<GradientScan>(pool, 0, length, [&](int64_t begin, int64_t end) {
    return kernels.scan_gradient(gradients, frozen, begin, end);
  });
}

// step(segment, begin, end) steps a part of a segment.
template <typename Step>
void StepSegments(ThreadPool& pool, const std::vector<Segment>& segments, const StepPlan& plan,
                  const StepSettings& settings, const Step& step, StepReport* report) {
  double square_sum = 0;
  for (const Segment& segment : segments) {
    const StepCounts counts =
        SumOfChunks<StepCounts>(pool, segment.begin, segment.end,
                                [&](int64_t begin, int64_t end) { return step(segment, begin, end); });
    square_sum += counts.square_sum;
    report->segments.push_back({counts.stepped, counts.clipped, counts.changed});
  }
  report->gradient_norm = ReadsGradient(settings) ? plan.norm : std::sqrt(square_sum);
}

void ReportNothingDone(const std::vector<Segment>& segments, const StepPlan& plan, StepReport* report) {
  report->skipped = true;
  report->gradient_norm = plan.norm;
  report->segments.assign(segments.size(), {0, 0, 0});
}

StepPass PassOf(const StepSettings& settings, const StepPlan& plan) {
  return {{settings.stochastic_rounding, settings.seed, static_cast<uint64_t>(plan.step)},
          settings.zero_gradients,
          !ReadsGradient(settings)};
}

StepReport Refused(StepError error, const double* control, int64_t part = 0) {
  StepReport report;
  report.error = SentenceOf(error, control, part);
  return report;
}

std::string UnfinishedEstimate(const double* control) {
  return "an estimate in parts is unfinished (" + std::to_string(static_cast<int64_t>(control[kPartsDone])) +
         " of " + std::to_string(static_cast<int64_t>(control[kPartsTotal])) +
         " parts); call updateHessian for the others first, or give it up with { part: [0, n], prime: true }";
}

// Seldom needed, so nobody waits for it.
void ZeroUnlessFrozen(const Elements& elements, FrozenMask frozen, int64_t length) {
  const auto size = static_cast<int64_t>(SizeOf(elements.dtype));
  for (int64_t i = 0; i < length; ++i) {
    if (frozen != nullptr && (frozen[i / 8] >> (i % 8) & 1) != 0) continue;
    std::memset(static_cast<char*>(elements.data) + i * size, 0, static_cast<std::size_t>(size));
  }
}

}  // namespace

double LearningRateOf(const Segment& segment, const StepSettings& settings) {
  return settings.learning_rate * segment.learning_rate_scale;
}

float KeepOf(const Segment& segment, const StepSettings& settings) {
  const double decay = std::isnan(segment.weight_decay) ? settings.weight_decay : segment.weight_decay;
  return ToFloat(1 - LearningRateOf(segment, settings) * decay);
}

std::vector<ElementRange> RangesForRho(const std::vector<Segment>& segments, int64_t length) {
  std::vector<ElementRange> ranges;
  for (const Segment& segment : segments) {
    if (segment.counts_for_rho && segment.begin < segment.end) ranges.push_back({segment.begin, segment.end});
  }
  if (ranges.empty()) ranges.push_back({0, length});
  return ranges;
}

std::string SentenceOf(StepError error, const double* control, int64_t part) {
  switch (error) {
    case StepError::kNone:
      return "";
    case StepError::kDamaged:
      return "control must hold counts";
    case StepError::kUnfinished:
      return UnfinishedEstimate(control);
    case StepError::kOutOfOrder:
      return UnfinishedEstimate(control) + ", in order";
    case StepError::kBeforeFirst:
      return "part " + std::to_string(part) + " of an estimate came before part 0";
    case StepError::kPrimeTooLate:
      return "prime must be given with part 0 of an estimate; a later part cannot turn it on";
    case StepError::kNoEstimate:
      return "rho is given by clippedFraction, which needs an estimate of the Hessian: call updateHessian "
             "first";
    case StepError::kNoCurvature:
      return "rho cannot be set from clippedFraction: no weight outside embeddings that is not frozen has a "
             "finite, positive Hessian; make the estimate on more data, or give rho as a number";
    case StepError::kNoRatio:
      return "rho cannot be set from clippedFraction: |m| / h is zero or infinite at that fraction; make the "
             "estimate on more data, or give rho as a number";
    case StepError::kNotSearched:
      return "control and counters must belong to one optimizer: rho is NaN in one and set in the other";
  }
  return "";
}

StepReport RunSophiaStep(ThreadPool& pool, double* control, const SophiaMemory& memory, int64_t length,
                         const std::vector<Segment>& segments, const SophiaSettings& settings) {
  const StepError problem = ProblemOfSophiaStep(control, settings, length);
  if (problem != StepError::kNone) return Refused(problem, control);
  GradientScan gradients;
  if (ReadsGradient(settings)) gradients = Scan(pool, memory.gradients, memory.frozen, length);
  GradientScan estimates;
  if (ReadsEstimate(settings, memory.gradients)) {
    estimates = Scan(pool, settings.estimate_from, memory.frozen, length);
  }
  SophiaPlan plan = PlanSophiaStep(control, settings, length, gradients.square_sum, gradients.non_finite,
                                   estimates.non_finite);
  StepReport report;
  if (plan.skip) {
    ReportNothingDone(segments, plan, &report);
    return report;
  }
  const HessianEstimate estimate{settings.estimate_from, plan.decay, plan.scale};
  if (plan.searches_rho) {
    const double rho = ClippingRho(pool, memory, estimate, plan.coefficients, RangesForRho(segments, length),
                                   settings.clipped_fraction);
    PlanRho(control, rho, &plan);
    if (plan.error != StepError::kNone) return Refused(plan.error, control);
  }
  const CpuKernels& kernels = ActiveKernels();
  const StepPass pass = PassOf(settings, plan);
  StepSegments(
      pool, segments, plan, settings,
      [&](const Segment& segment, int64_t begin, int64_t end) {
        SophiaCoefficients own = plan.coefficients;
        own.learning_rate = ToFloat(LearningRateOf(segment, settings));
        own.keep = KeepOf(segment, settings);
        return kernels.step_sophia(memory, estimate, own, pass, begin, end);
      },
      &report);
  CountSophiaStep(control, settings, plan);
  return report;
}

StepReport RunAdamWStep(ThreadPool& pool, double* control, const AdamWMemory& memory, int64_t length,
                        const std::vector<Segment>& segments, const StepSettings& settings) {
  if (IsDamaged(control)) return Refused(StepError::kDamaged, control);
  GradientScan gradients;
  if (ReadsGradient(settings)) gradients = Scan(pool, memory.gradients, memory.frozen, length);
  const AdamWPlan plan = PlanAdamWStep(control, settings, gradients.square_sum, gradients.non_finite);
  StepReport report;
  if (plan.skip) {
    ReportNothingDone(segments, plan, &report);
    return report;
  }
  const CpuKernels& kernels = ActiveKernels();
  const StepPass pass = PassOf(settings, plan);
  StepSegments(
      pool, segments, plan, settings,
      [&](const Segment& segment, int64_t begin, int64_t end) {
        AdamWCoefficients own = plan.coefficients;
        own.step_size = ToFloat(LearningRateOf(segment, settings) / plan.correction);
        own.keep = KeepOf(segment, settings);
        return kernels.step_adamw(memory, own, pass, begin, end);
      },
      &report);
  control[kStep] = plan.step;
  return report;
}

StepReport RunHessianUpdate(ThreadPool& pool, double* control, const Elements& hessian,
                            const Elements& gradients, FrozenMask frozen, int64_t length,
                            const HessianSettings& settings) {
  const StepError problem = ProblemOfHessianUpdate(control, settings);
  if (problem != StepError::kNone) return Refused(problem, control, settings.part);
  GradientScan scan;
  if (settings.skip_non_finite) scan = Scan(pool, gradients, frozen, length);
  const HessianPlan plan = PlanHessianUpdate(control, settings, scan.non_finite);
  if (plan.zero) ZeroUnlessFrozen(hessian, frozen, length);
  StepReport report;
  report.skipped = plan.skip;
  if (!plan.skip) {
    const HessianEstimate estimate{gradients, plan.decay, plan.scale};
    const Rounding rounding{settings.stochastic_rounding, settings.seed, plan.count};
    const CpuKernels& kernels = ActiveKernels();
    ForChunks(pool, 0, length, [&](int64_t begin, int64_t end, int) {
      kernels.update_hessian(hessian, estimate, frozen, rounding, begin, end);
    });
  }
  return report;
}

}  // namespace soul
