#include "runtime/optimizer_jobs.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/kernels.h"
#include "runtime/chunks.h"
#include "runtime/clipping_rho.h"

namespace soul {
namespace {

// torch's clip_grad_norm_ adds this to the norm.
constexpr double kClipEpsilon = 1e-6;

bool IsCount(double value) {
  return value >= 0 && value <= 0x1p53;
}

// What one read of the gradient decides. Without a guard and without clipping nothing is read.
struct Guard {
  bool read = false;
  bool skip = false;
  double norm = 0;
  double scale = 1;
};

GradientScan Scan(ThreadPool& pool, const Elements& gradients, FrozenMask frozen, int64_t length) {
  const CpuKernels& kernels = ActiveKernels();
  return SumOfChunks<GradientScan>(pool, 0, length, [&](int64_t begin, int64_t end) {
    return kernels.scan_gradient(gradients, frozen, begin, end);
  });
}

Guard ReadGradient(ThreadPool& pool, const ParameterMemory& memory, int64_t length,
                   const StepSettings& settings) {
  Guard guard;
  guard.read = settings.skip_non_finite || settings.clip_norm > 0;
  if (guard.read) {
    const GradientScan scan = Scan(pool, memory.gradients, memory.frozen, length);
    guard.norm = std::sqrt(scan.square_sum);
    guard.skip = settings.skip_non_finite && scan.non_finite > 0;
    if (settings.clip_norm > 0) {
      const double scale = settings.clip_norm / (guard.norm + kClipEpsilon);
      guard.scale = scale > 1 ? 1 : scale;
    }
  }
  if (settings.maximize) guard.scale = -guard.scale;
  return guard;
}

// step(learning_rate, keep, begin, end) steps a part of a segment.
template <typename Step>
void StepSegments(ThreadPool& pool, const std::vector<Segment>& segments, const Guard& guard,
                  const StepSettings& settings, const Step& step, StepReport* report) {
  double square_sum = 0;
  for (const Segment& segment : segments) {
    const double learning_rate = settings.learning_rate * segment.learning_rate_scale;
    const double decay = std::isnan(segment.weight_decay) ? settings.weight_decay : segment.weight_decay;
    const auto keep = ToFloat(1 - learning_rate * decay);
    const StepCounts counts = SumOfChunks<StepCounts>(
        pool, segment.begin, segment.end,
        [&](int64_t begin, int64_t end) { return step(learning_rate, keep, begin, end); });
    square_sum += counts.square_sum;
    report->segments.push_back({counts.stepped, counts.clipped, counts.changed});
  }
  report->gradient_norm = guard.read ? guard.norm : std::sqrt(square_sum);
}

void ReportNothingDone(const std::vector<Segment>& segments, const Guard& guard, StepReport* report) {
  report->skipped = true;
  report->gradient_norm = guard.norm;
  report->segments.assign(segments.size(), {0, 0, 0});
}

StepPass PassOf(const StepSettings& settings, const Guard& guard, double step) {
  return {{settings.stochastic_rounding, settings.seed, static_cast<uint64_t>(step)},
          settings.zero_gradients,
          !guard.read};
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

bool IsDamaged(const double* control) {
  for (const ControlSlot slot : {kStep, kEstimates, kPartsTotal, kPartsDone, kPartsKept, kPartsPrime}) {
    if (!IsCount(control[slot])) return true;
  }
  return false;
}

}  // namespace

StepReport RunSophiaStep(ThreadPool& pool, double* control, const SophiaMemory& memory, int64_t length,
                         const std::vector<Segment>& segments, const SophiaSettings& settings) {
  StepReport report;
  if (IsDamaged(control)) {
    report.error = "control must hold counts";
    return report;
  }
  if (control[kPartsTotal] > 0) {
    report.error = UnfinishedEstimate(control);
    return report;
  }
  const bool estimates = static_cast<bool>(settings.estimate_from);
  const bool find_rho = settings.clipped_fraction > 0 && length > 0 && std::isnan(control[kRho]);
  if (find_rho && !estimates && control[kEstimates] == 0) {
    report.error =
        "rho is given by clippedFraction, which needs an estimate of the Hessian: call updateHessian first";
    return report;
  }

  const Guard guard = ReadGradient(pool, memory, length, settings);
  bool skip = guard.skip;
  if (!skip && estimates && settings.skip_non_finite && !(settings.estimate_from == memory.gradients)) {
    skip = Scan(pool, settings.estimate_from, memory.frozen, length).non_finite > 0;
  }
  if (skip) {
    ReportNothingDone(segments, guard, &report);
    return report;
  }

  HessianEstimate estimate;
  if (estimates) {
    const double share = settings.prime ? 1 : 1 - settings.beta2;
    const double clip = settings.estimate_clipped ? guard.scale : 1;
    estimate = {settings.estimate_from, ToFloat(settings.prime ? 0 : settings.beta2),
                ToFloat(share * settings.batch_size * clip * clip)};
  }
  const double step = control[kStep] + 1;
  const double correction = settings.momentum_correction ? 1 / (1 - std::pow(settings.beta1, step)) : 1;
  SophiaCoefficients coefficients{.gradient_scale = ToFloat(guard.scale),
                                  .beta1 = ToFloat(settings.beta1),
                                  .one_minus_beta1 = ToFloat(1 - settings.beta1),
                                  .momentum_scale = ToFloat(correction),
                                  .rho = 0,
                                  .floor = -std::numeric_limits<float>::infinity(),
                                  .addend = 0,
                                  .learning_rate = 0,
                                  .keep = 1};
  const bool floored = settings.denominator == Denominator::kMax;
  (floored ? coefficients.floor : coefficients.addend) = ToFloat(settings.epsilon);
  if (find_rho) {
    std::vector<ElementRange> ranges;
    for (const Segment& segment : segments) {
      if (segment.counts_for_rho && segment.begin < segment.end)
        ranges.push_back({segment.begin, segment.end});
    }
    if (ranges.empty()) ranges.push_back({0, length});
    const double rho = ClippingRho(pool, memory, estimate, coefficients, ranges, settings.clipped_fraction);
    if (!(rho > 0 && rho <= std::numeric_limits<float>::max())) {
      report.error =
          "rho cannot be set from clippedFraction: " +
          std::string(std::isnan(rho)
                          ? "no weight outside embeddings that is not frozen has a finite, positive Hessian"
                          : "|m| / h is zero or infinite at that fraction") +
          "; make the estimate on more data, or give rho as a number";
      return report;
    }
    control[kRho] = rho;
  }
  coefficients.rho = ToFloat(control[kRho]);
  const CpuKernels& kernels = ActiveKernels();
  const StepPass pass = PassOf(settings, guard, step);
  StepSegments(
      pool, segments, guard, settings,
      [&](double learning_rate, float keep, int64_t begin, int64_t end) {
        SophiaCoefficients own = coefficients;
        own.learning_rate = ToFloat(learning_rate);
        own.keep = keep;
        return kernels.step_sophia(memory, estimate, own, pass, begin, end);
      },
      &report);
  if (estimates) control[kEstimates] += 1;
  control[kStep] = step;
  return report;
}

StepReport RunAdamWStep(ThreadPool& pool, double* control, const AdamWMemory& memory, int64_t length,
                        const std::vector<Segment>& segments, const StepSettings& settings) {
  StepReport report;
  if (IsDamaged(control)) {
    report.error = "control must hold counts";
    return report;
  }
  const Guard guard = ReadGradient(pool, memory, length, settings);
  if (guard.skip) {
    ReportNothingDone(segments, guard, &report);
    return report;
  }
  const double step = control[kStep] + 1;
  const double correction = 1 - std::pow(settings.beta1, step);
  const AdamWCoefficients coefficients{
      .gradient_scale = ToFloat(guard.scale),
      .one_minus_beta1 = ToFloat(1 - settings.beta1),
      .beta2 = ToFloat(settings.beta2),
      .one_minus_beta2 = ToFloat(1 - settings.beta2),
      .root_correction = ToFloat(std::sqrt(1 - std::pow(settings.beta2, step))),
      .epsilon = ToFloat(settings.epsilon),
      .step_size = 0,
      .keep = 1};
  const CpuKernels& kernels = ActiveKernels();
  const StepPass pass = PassOf(settings, guard, step);
  StepSegments(
      pool, segments, guard, settings,
      [&](double learning_rate, float keep, int64_t begin, int64_t end) {
        AdamWCoefficients own = coefficients;
        own.step_size = ToFloat(learning_rate / correction);
        own.keep = keep;
        return kernels.step_adamw(memory, own, pass, begin, end);
      },
      &report);
  control[kStep] = step;
  return report;
}

StepReport RunHessianUpdate(ThreadPool& pool, double* control, const Elements& hessian,
                            const Elements& gradients, FrozenMask frozen, int64_t length,
                            const HessianSettings& settings) {
  StepReport report;
  if (IsDamaged(control)) {
    report.error = "control must hold counts";
    return report;
  }
  const double parts = static_cast<double>(settings.parts);
  if (control[kPartsTotal] > 0 && settings.part == 0 && settings.prime) {
    // Given up for a new one, which sets h whatever it is. Should all its parts be left out, no h is better
    // than a piece of one.
    if (control[kPartsKept] > 0) {
      ZeroUnlessFrozen(hessian, frozen, length);
      control[kEstimates] = 0;
    }
    control[kPartsTotal] = 0;
  }
  const bool under_way = control[kPartsTotal] > 0;
  if (under_way ? control[kPartsTotal] != parts || control[kPartsDone] != static_cast<double>(settings.part)
                : settings.part != 0) {
    report.error = under_way ? UnfinishedEstimate(control) + ", in order"
                             : "part " + std::to_string(settings.part) + " of an estimate came before part 0";
    return report;
  }
  if (under_way && settings.prime && control[kPartsPrime] == 0) {
    report.error = "prime must be given with part 0 of an estimate; a later part cannot turn it on";
    return report;
  }
  if (!under_way) {
    control[kPartsTotal] = parts;
    control[kPartsDone] = 0;
    control[kPartsKept] = 0;
    control[kPartsPrime] = settings.prime ? 1 : 0;
  }

  const bool prime = control[kPartsPrime] != 0;
  report.skipped = settings.skip_non_finite && Scan(pool, gradients, frozen, length).non_finite > 0;
  if (!report.skipped) {
    // The first part that counts makes room for all of them.
    const bool first = control[kPartsKept] == 0;
    const double share = (prime ? 1 : 1 - settings.beta2) / parts;
    const HessianEstimate estimate{gradients,
                                   ToFloat(!first  ? 1
                                           : prime ? 0
                                                   : settings.beta2),
                                   ToFloat(share * settings.batch_size)};
    // What h has taken in so far numbers the draws.
    const auto count =
        static_cast<uint64_t>(control[kEstimates]) << 32 | static_cast<uint64_t>(control[kPartsKept]);
    const Rounding rounding{settings.stochastic_rounding, settings.seed, count};
    const CpuKernels& kernels = ActiveKernels();
    ForChunks(pool, 0, length, [&](int64_t begin, int64_t end, int) {
      kernels.update_hessian(hessian, estimate, frozen, rounding, begin, end);
    });
    control[kPartsKept] += 1;
  }
  control[kPartsDone] += 1;
  if (control[kPartsDone] == parts) {
    if (control[kPartsKept] > 0) control[kEstimates] += 1;
    control[kPartsTotal] = 0;
  }
  return report;
}

}  // namespace soul
