#include "runtime/cuda/optimizer_launches.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/cuda/optimizer_parameters.h"

namespace soul::cuda {
namespace {

// Of the one block that decides something.
constexpr int32_t kPlanThreads = 256;

const char* NameOf(DType dtype) {
  return dtype == DType::kFloat32 ? "f32" : "bf16";
}

std::string NameOf(const ParameterMemory& memory, const Elements& states) {
  const char* const values = memory.master != nullptr ? "master" : NameOf(memory.values.dtype);
  return std::string(values) + "_" + NameOf(states.dtype);
}

template <typename Parameters>
void Launch(Queue& queue, const std::string& name, int64_t blocks, int32_t threads,
            const Parameters& parameters) {
  queue.Launch(DeviceCode::kOptimizers, name.c_str(), blocks, threads, parameters);
}

// A call's results in device memory: the outcome, then the counts of each segment, then the sums of squares
// of each block. All but the outcome begin as zeros.
class Results {
 public:
  Results(Queue& queue, std::size_t segments, int64_t sums)
      : queue_(queue), segments_(static_cast<int64_t>(segments)), sums_(sums) {
    memory_ = static_cast<char*>(queue.Scratch(Bytes()));
    back_ = queue.Pinned(Bytes());
  }

  CallOutcome* outcome() const { return reinterpret_cast<CallOutcome*>(memory_); }
  uint64_t* counts() const { return reinterpret_cast<uint64_t*>(outcome() + 1); }
  int64_t count_of_counts() const { return segments_ * kCountsOfRange; }
  // Null where none are wanted.
  double* square_sums() const {
    return sums_ == 0 ? nullptr : reinterpret_cast<double*>(counts() + count_of_counts());
  }

  // The call's part in what a plan takes.
  CallParameters Parameters(double* control) const {
    CallParameters call{};
    call.control = control;
    call.outcome = outcome();
    call.counts = counts();
    call.count_of_counts = count_of_counts() + sums_;
    return call;
  }

  // To be called when everything is enqueued: `part` is for the sentence of an error.
  std::function<StepReport()> Read(int64_t part = 0) const {
    queue_.ReadInto(*back_, memory_, Bytes());
    return [back = back_, segments = segments_, sums = sums_, part] {
      const auto* outcome = back->As<CallOutcome>();
      StepReport report;
      std::copy_n(outcome->control, kControlSlots, report.control.begin());
      report.error = SentenceOf(outcome->error, outcome->control, part);
      report.skipped = outcome->skipped != 0;
      const auto* counts = reinterpret_cast<const int64_t*>(outcome + 1);
      for (int64_t i = 0; i < segments; ++i, counts += kCountsOfRange) {
        report.segments.push_back({counts[0], counts[1], counts[2]});
      }
      double square_sum = 0;
      const auto* own = reinterpret_cast<const double*>(counts);
      for (int64_t i = 0; i < sums; ++i) square_sum += own[i];
      report.gradient_norm = sums > 0 ? std::sqrt(square_sum) : outcome->norm;
      return report;
    };
  }

 private:
  std::size_t Bytes() const {
    return sizeof(CallOutcome) + static_cast<std::size_t>(count_of_counts() + sums_) * sizeof(uint64_t);
  }

  Queue& queue_;
  const int64_t segments_;
  const int64_t sums_;
  char* memory_;
  std::shared_ptr<const PinnedMemory> back_;
};

// To be called before the plan is enqueued, which counts the step: what the step's kernel needs must not then
// turn out to be missing.
void Prepare(Queue& queue, const std::string& name) {
  queue.device().Find(DeviceCode::kOptimizers, name.c_str());
}

// One read of the gradients and of an estimate; no gradients: neither is read.
void Scan(Queue& queue, const Elements& gradients, const Elements& estimates, FrozenMask frozen,
          int64_t length, CallParameters* call) {
  if (!gradients && !estimates) return;
  const int64_t blocks = queue.BlocksFor(TilesIn(length, queue.Threads()));
  auto* const partials = queue.Scratch<ScanPartial>(blocks);
  Launch(queue, "soul_scan_gradients", blocks, queue.Threads(),
         ScanParameters{gradients, estimates, frozen, length, partials});
  call->partials = partials;
  call->partial_count = blocks;
}

// The next kMostRanges of `count` ranges from `first` on; range_of(i) is the i-th without its tile.
template <typename RangeOf>
StepRanges RangesFrom(std::size_t first, std::size_t count, int32_t threads, const RangeOf& range_of) {
  StepRanges ranges{};
  for (std::size_t i = first; i < count && ranges.count < kMostRanges; ++i) {
    StepRange range = range_of(i);
    range.first_tile = ranges.tiles;
    ranges.tiles += TilesIn(range.end - range.begin, threads);
    ranges.ranges[ranges.count++] = range;
  }
  return ranges;
}

int64_t LaunchesFor(std::size_t ranges) {
  return (static_cast<int64_t>(ranges) + kMostRanges - 1) / kMostRanges;
}

// Sums of squares that a step leaves where the gradients are not read before it: one for each block.
int64_t SquareSums(const Queue& queue, const std::vector<Segment>& segments, int64_t length,
                   const StepSettings& settings) {
  if (ReadsGradient(settings)) return 0;
  const int64_t tiles = TilesIn(length, queue.Threads()) + static_cast<int64_t>(segments.size());
  return LaunchesFor(segments.size()) * queue.BlocksFor(tiles);
}

// Launches a step's kernel over all segments.
template <typename Plan, typename Memory>
void StepSegments(Queue& queue, const std::string& name, const Memory& memory, const Elements& first_state,
                  const Elements& second_state, const void* estimates, const std::vector<Segment>& segments,
                  const StepSettings& settings, const Plan* plan, const Results& results) {
  StepParameters<Plan> parameters{.values = memory.values.data,
                                  .master = memory.master,
                                  .gradients = memory.gradients.data,
                                  .first_state = first_state.data,
                                  .second_state = second_state.data,
                                  .estimates = estimates,
                                  .frozen = memory.frozen,
                                  .plan = plan,
                                  .counts = results.counts(),
                                  .square_sums = results.square_sums(),
                                  .seed = settings.seed,
                                  .stochastic = settings.stochastic_rounding,
                                  .zero_gradients = settings.zero_gradients,
                                  .ranges = {}};
  const auto range_of = [&](std::size_t i) {
    return StepRange{segments[i].begin, segments[i].end, 0, LearningRateOf(segments[i], settings),
                     KeepOf(segments[i], settings)};
  };
  for (std::size_t first = 0; first < segments.size(); first += kMostRanges) {
    parameters.ranges = RangesFrom(first, segments.size(), queue.Threads(), range_of);
    const int64_t blocks = queue.BlocksFor(parameters.ranges.tiles);
    Launch(queue, name, blocks, queue.Threads(), parameters);
    parameters.counts += kMostRanges * kCountsOfRange;
    if (parameters.square_sums != nullptr) parameters.square_sums += blocks;
  }
}

// Enqueued where JavaScript's copy of the counters has no rho; the device may.
void SearchRho(Queue& queue, double* control, const SophiaMemory& memory, int64_t length,
               const std::vector<Segment>& segments, const SophiaSettings& settings, SophiaPlan* plan,
               CallOutcome* outcome) {
  const int32_t threads = queue.Threads();
  auto* const search = queue.Scratch<ClippingSearch>(1);
  queue.Fill(search, 0, 4, sizeof(*search) / 4);
  ClippingParameters parameters{.hessian = memory.hessian,
                                .momentum = memory.momentum,
                                .gradients = memory.gradients,
                                .estimates = settings.estimate_from,
                                .frozen = memory.frozen,
                                .plan = plan,
                                .search = search,
                                .partials = nullptr,
                                .pass = 0,
                                .ranges = {}};
  const std::vector<ElementRange> all = RangesForRho(segments, length);
  std::vector<StepRanges> launches;
  int64_t blocks = 0;
  for (std::size_t first = 0; first < all.size(); first += kMostRanges) {
    launches.push_back(RangesFrom(first, all.size(), threads, [&](std::size_t i) {
      return StepRange{all[i].begin, all[i].end, 0, 0, 1};
    }));
    blocks += queue.BlocksFor(launches.back().tiles);
  }
  auto* const partials = queue.Scratch<HessianPartial>(blocks);
  parameters.partials = partials;
  for (const StepRanges& ranges : launches) {
    parameters.ranges = ranges;
    const int64_t own = queue.BlocksFor(ranges.tiles);
    Launch(queue, "soul_sum_hessian", own, threads, parameters);
    parameters.partials += own;
  }
  Launch(queue, "soul_least_hessian", 1, kPlanThreads,
         LeastHessianParameters{plan, search, partials, blocks});
  for (parameters.pass = 0; parameters.pass < kSearchPasses; ++parameters.pass) {
    for (const StepRanges& ranges : launches) {
      parameters.ranges = ranges;
      Launch(queue, "soul_count_ratios", queue.BlocksFor(ranges.tiles), threads, parameters);
    }
    Launch(queue, "soul_find_ratio_bin", 1, kPlanThreads,
           FindBinParameters{&search->order, parameters.pass, settings.clipped_fraction});
  }
  Launch(queue, "soul_set_rho", 1, kPlanThreads, RhoParameters{control, settings, plan, search, outcome});
}

}  // namespace

std::function<StepReport()> EnqueueSophiaStep(Queue& queue, double* control, bool may_search,
                                              const SophiaMemory& memory, int64_t length,
                                              const std::vector<Segment>& segments,
                                              const SophiaSettings& settings) {
  const Elements& estimate = settings.estimate_from;
  const std::string kind = !estimate ? "none" : estimate == memory.gradients ? "own" : NameOf(estimate.dtype);
  const std::string name = "soul_sophia_" + NameOf(memory, memory.momentum) + "_" + kind;
  Prepare(queue, name);
  const Results results(queue, segments.size(), SquareSums(queue, segments, length, settings));
  auto* const plan = queue.Scratch<SophiaPlan>(1);
  SophiaPlanParameters planning{results.Parameters(control), settings, length, may_search, plan};
  Scan(queue, ReadsGradient(settings) ? memory.gradients : Elements{},
       ReadsEstimate(settings, memory.gradients) ? settings.estimate_from : Elements{}, memory.frozen, length,
       &planning.call);
  Launch(queue, "soul_plan_sophia", 1, kPlanThreads, planning);
  if (may_search) {
    SearchRho(queue, control, memory, length, segments, settings, plan, results.outcome());
  }
  StepSegments(queue, name, memory, memory.momentum, memory.hessian, estimate.data, segments, settings, plan,
               results);
  return results.Read();
}

std::function<StepReport()> EnqueueAdamWStep(Queue& queue, double* control, const AdamWMemory& memory,
                                             int64_t length, const std::vector<Segment>& segments,
                                             const StepSettings& settings) {
  const std::string name = "soul_adamw_" + NameOf(memory, memory.average);
  Prepare(queue, name);
  const Results results(queue, segments.size(), SquareSums(queue, segments, length, settings));
  auto* const plan = queue.Scratch<AdamWPlan>(1);
  AdamWPlanParameters planning{results.Parameters(control), settings, plan};
  Scan(queue, ReadsGradient(settings) ? memory.gradients : Elements{}, Elements{}, memory.frozen, length,
       &planning.call);
  Launch(queue, "soul_plan_adamw", 1, kPlanThreads, planning);
  StepSegments(queue, name, memory, memory.average, memory.square_average, nullptr, segments, settings, plan,
               results);
  return results.Read();
}

std::function<StepReport()> EnqueueHessianUpdate(Queue& queue, double* control, const Elements& hessian,
                                                 const Elements& gradients, FrozenMask frozen, int64_t length,
                                                 const HessianSettings& settings) {
  const std::string name =
      std::string("soul_hessian_") + NameOf(hessian.dtype) + "_" + NameOf(gradients.dtype);
  Prepare(queue, name);
  const Results results(queue, 0, 0);
  auto* const plan = queue.Scratch<HessianPlan>(1);
  HessianPlanParameters planning{results.Parameters(control), settings, plan};
  Scan(queue, settings.skip_non_finite ? gradients : Elements{}, Elements{}, frozen, length, &planning.call);
  Launch(queue, "soul_plan_hessian", 1, kPlanThreads, planning);
  Launch(queue, name, queue.BlocksFor(TilesIn(length, queue.Threads())), queue.Threads(),
         HessianParameters{hessian.data, gradients.data, frozen, plan, settings.seed,
                           settings.stochastic_rounding, length});
  return results.Read(settings.part);
}

}  // namespace soul::cuda
