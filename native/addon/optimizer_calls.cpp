// Calls of the optimizers: each one job, one pass over memory.
//
// `counters` is memory of kControlSlots doubles on the parameters' device, kept from call to call, that jobs
// alone touch; `control`, a Float64Array of as many, is JavaScript's copy, which nothing but the JavaScript
// thread touches: it follows before a call's promise is settled. `segments` holds [start, length,
// learningRateScale, weightDecay (NaN: the step's own), countsForRho] of each range. `settings` is a
// Float64Array of the slots below, read when the call is made: an object's properties would cost more than
// all the rest of a short call. lib/optim/native-settings.ts numbers the slots alike. A step resolves to
// [step, skipped, gradientNorm, rho, then stepped, clipped and changed counts of each segment].
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "runtime/cuda/optimizer_launches.h"
#include "runtime/optimizer_jobs.h"

namespace soul {
namespace {

constexpr double kLargest = std::numeric_limits<float>::max();
constexpr int kSegmentNumbers = 5;

std::vector<Segment> ReadSegments(const Napi::Value& value, int64_t length) {
  const Memory<double> numbers = ReadDoubles(value, "segments", 0);
  if (numbers.length % kSegmentNumbers != 0)
    ThrowInvalid(value.Env(), "segments", "5 numbers for each range");
  std::vector<Segment> segments;
  int64_t end = 0;
  for (int64_t i = 0; i < numbers.length; i += kSegmentNumbers) {
    const double* segment = numbers.data + i;
    const double start = segment[0];
    const double count = segment[1];
    const bool ordered = start >= static_cast<double>(end) && start <= static_cast<double>(length) &&
                         start == std::trunc(start);
    if (!ordered ||
        !(count >= 0 && count <= static_cast<double>(length) - start && count == std::trunc(count))) {
      ThrowInvalid(value.Env(), "segments", "ranges within the buffers, in order, without overlap");
    }
    const int64_t begin = static_cast<int64_t>(start);
    end = begin + static_cast<int64_t>(count);
    segments.push_back({begin, end, segment[2], segment[3], segment[4] != 0});
  }
  return segments;
}

enum SettingSlot : int {
  kLearningRate,
  kWeightDecay,
  kBeta1,
  kBeta2,
  kEpsilon,
  kClipNorm,
  kMaximize,
  kSkipNonFinite,
  kZeroGradients,
  kStochasticRounding,
  kSeedLower,  // 32 bits
  kSeedUpper,  // 32 bits
  kDenominatorMax,
  kClippedFraction,
  kMomentumBiasCorrection,
  kBatchSize,
  kPrime,
  kEstimateClipped,
  kPart,
  kParts,
  kFindRho,
  kSettingSlots,
};

// Settings as they stood when the call was made, each checked when it is read.
class Settings {
 public:
  explicit Settings(const Napi::Value& value) : env_(value.Env()) {
    const Memory<double> slots = ReadDoubles(value, "settings", kSettingSlots);
    std::copy_n(slots.data, kSettingSlots, slots_);
  }

  double Number(SettingSlot slot, const char* name, double low, double high) const {
    const double number = slots_[slot];
    if (number >= low && number <= high) return number;
    ThrowInvalid(env_, name, "a number from " + std::to_string(low) + " to " + std::to_string(high));
  }

  int64_t Integer(SettingSlot slot, const char* name, int64_t low, int64_t high) const {
    const double number = Number(slot, name, static_cast<double>(low), static_cast<double>(high));
    if (number != std::trunc(number)) ThrowInvalid(env_, name, "an integer");
    return static_cast<int64_t>(number);
  }

  bool Flag(SettingSlot slot) const { return slots_[slot] != 0; }

  uint64_t Seed() const {
    const auto lower = static_cast<uint64_t>(Integer(kSeedLower, "seed", 0, 0xffffffff));
    const auto upper = static_cast<uint64_t>(Integer(kSeedUpper, "seed", 0, 0xffffffff));
    return upper << 32 | lower;
  }

 private:
  Napi::Env env_;
  double slots_[kSettingSlots];
};

void ReadStepSettings(const Settings& given, StepSettings* settings) {
  settings->learning_rate = given.Number(kLearningRate, "learningRate", 0, kLargest);
  settings->weight_decay = given.Number(kWeightDecay, "weightDecay", 0, kLargest);
  settings->beta1 = given.Number(kBeta1, "beta1", 0, 1);
  settings->beta2 = given.Number(kBeta2, "beta2", 0, 1);
  settings->epsilon = given.Number(kEpsilon, "epsilon", 0, kLargest);
  settings->clip_norm = given.Number(kClipNorm, "clipNorm", 0, kLargest);
  settings->maximize = given.Flag(kMaximize);
  settings->skip_non_finite = given.Flag(kSkipNonFinite);
  settings->zero_gradients = given.Flag(kZeroGradients);
  settings->stochastic_rounding = given.Flag(kStochasticRounding);
  settings->seed = given.Seed();
}

// `control`: JavaScript's copy of the counters.
Outcome OutcomeOf(const StepReport& report, double* control) {
  Outcome outcome;
  if (!report.error.empty()) outcome = Outcome::Failed("SOUL_INVALID_ARGUMENT", report.error);
  outcome.before_settling = [control, counters = report.control] {
    std::copy(counters.begin(), counters.end(), control);
  };
  return outcome;
}

Outcome StepOutcome(const StepReport& report, double* control) {
  Outcome outcome = OutcomeOf(report, control);
  if (outcome.failure.code != nullptr) return outcome;
  outcome.numbers = {report.control[kStep], report.skipped ? 1.0 : 0.0, report.gradient_norm,
                     report.control[kRho]};
  for (const SegmentCounts& segment : report.segments) {
    outcome.numbers.push_back(static_cast<double>(segment.stepped));
    outcome.numbers.push_back(static_cast<double>(segment.clipped));
    outcome.numbers.push_back(static_cast<double>(segment.changed));
  }
  return outcome;
}

// The first arguments of a step: values, master | undefined, gradients, two states, frozen | undefined.
struct StepBuffers {
  ParameterMemory parameters;
  Elements first_state;
  Elements second_state;
  int64_t length = 0;
  int32_t device = SOUL_CPU;
  std::vector<Napi::Value> held;
};

constexpr std::size_t kStepBuffers = 6;

StepBuffers ReadStepBuffers(const Napi::CallbackInfo& info, const char* first, const char* second) {
  const FlatMemory values = ReadFloating(Argument(info, 0), "values");
  const DType dtype = values.elements.dtype;
  const FlatMemory gradients = ReadFloating(Argument(info, 2), "gradients", values.length, dtype);
  const FlatMemory first_state = ReadFloating(Argument(info, 3), first, values.length);
  const FlatMemory second_state =
      ReadFloating(Argument(info, 4), second, values.length, first_state.elements.dtype);
  const FlatMemory frozen = ReadMask(Argument(info, 5), "frozen", values.length);
  StepBuffers buffers{
      {values.elements, nullptr, gradients.elements, static_cast<FrozenMask>(frozen.elements.data)},
      first_state.elements,
      second_state.elements,
      values.length,
      ReadDevice(info.Env(), {{"values", &values},
                              {"gradients", &gradients},
                              {first, &first_state},
                              {second, &second_state},
                              {"frozen", &frozen}}),
      {}};
  buffers.held.reserve(kStepBuffers + 2);
  buffers.held = {values.value, gradients.value, first_state.value, second_state.value};
  if (frozen.elements) buffers.held.push_back(frozen.value);
  if (!Argument(info, 1).IsUndefined()) {
    if (dtype != DType::kBFloat16) {
      ThrowInvalid(info.Env(), "values", "bfloat16 memory where there is a master");
    }
    const FlatMemory master = ReadFloating(Argument(info, 1), "master", values.length, DType::kFloat32);
    ReadDevice(info.Env(), {{"values", &values}, {"master", &master}});
    buffers.parameters.master = static_cast<float*>(master.elements.data);
    buffers.held.push_back(master.value);
  }
  return buffers;
}

double* ReadCounters(const Napi::CallbackInfo& info, std::size_t index, int32_t device,
                     std::vector<Napi::Value>* held) {
  constexpr int64_t kBytes = kControlSlots * static_cast<int64_t>(sizeof(double));
  const FlatMemory memory = ReadMemory(Argument(info, index), "counters");
  if (memory.device != device || memory.elements.dtype != DType::kUint8 || memory.length < kBytes ||
      reinterpret_cast<uintptr_t>(memory.elements.data) % alignof(double) != 0) {
    ThrowInvalid(
        info.Env(), "counters",
        std::to_string(kBytes) + " bytes of uint8 memory on " + DeviceName(device) + ", aligned to 8 bytes");
  }
  held->push_back(memory.value);
  return static_cast<double*>(memory.elements.data);
}

// The report of a call on the host, with the counters as it left them.
StepReport WithCounters(StepReport report, const double* counters) {
  std::copy_n(counters, kControlSlots, report.control.begin());
  return report;
}

// Enqueues a step; `enqueue` gives what reads its report when the device is done.
template <typename Enqueue>
Napi::Value PostStepOnDevice(Napi::Env env, const std::vector<Napi::Value>& held, int32_t device,
                             double* control, Enqueue enqueue) {
  return PostDeviceWork(
      env, held, device, [enqueue = std::move(enqueue), control](cuda::Queue& queue) -> DeviceOutcome {
        return [report = enqueue(queue), control] { return StepOutcome(report(), control); };
      });
}

// sophiaStep(values, master, gradients, momentum, hessian, frozen, estimate | undefined, control, segments,
// settings, counters)
Napi::Value SophiaStepCall(const Napi::CallbackInfo& info) {
  StepBuffers buffers = ReadStepBuffers(info, "momentum", "hessian");
  const Memory<double> control = ReadDoubles(Argument(info, 7), "control", kControlSlots);
  std::vector<Segment> segments = ReadSegments(Argument(info, 8), buffers.length);
  const Settings given(Argument(info, 9));
  SophiaSettings settings;
  ReadStepSettings(given, &settings);
  settings.denominator = given.Flag(kDenominatorMax) ? Denominator::kMax : Denominator::kSum;
  settings.clipped_fraction = given.Number(kClippedFraction, "clippedFraction", 0, 1);
  settings.find_rho = given.Flag(kFindRho);
  settings.momentum_correction = given.Flag(kMomentumBiasCorrection);
  buffers.held.push_back(control.value);
  if (!Argument(info, 6).IsUndefined()) {
    const FlatMemory estimate = ReadFloating(Argument(info, 6), "estimate", buffers.length);
    if (estimate.device != buffers.device) {
      ThrowInvalid(info.Env(), "estimate", "on " + DeviceName(buffers.device) + " as the values are");
    }
    settings.estimate_from = estimate.elements;
    settings.batch_size = given.Number(kBatchSize, "batchSize", 0, kLargest);
    settings.prime = given.Flag(kPrime);
    settings.estimate_clipped = given.Flag(kEstimateClipped);
    buffers.held.push_back(estimate.value);
  }
  // The order statistic, where it is needed, takes longer than a short step.
  const bool may_find_rho = settings.clipped_fraction > 0;
  const SophiaMemory memory{buffers.parameters, buffers.first_state, buffers.second_state};
  double* const counters = ReadCounters(info, 10, buffers.device, &buffers.held);
  if (buffers.device != SOUL_CPU) {
    const bool may_search = FindsRho(control.data, settings, buffers.length);
    return PostStepOnDevice(info.Env(), buffers.held, buffers.device, control.data,
                            [counters, may_search, memory, length = buffers.length,
                             segments = std::move(segments), settings](cuda::Queue& queue) {
                              return cuda::EnqueueSophiaStep(queue, counters, may_search, memory, length,
                                                             segments, settings);
                            });
  }
  return PostWork(
      info.Env(), buffers.held,
      [&pool = PoolOf(info.Env()), memory, length = buffers.length, control = control.data, counters,
       segments = std::move(segments), settings] {
        StepReport report = RunSophiaStep(pool, counters, memory, length, segments, settings);
        return StepOutcome(WithCounters(std::move(report), counters), control);
      },
      may_find_rho ? kLongWork : buffers.length);
}

// adamwStep(values, master, gradients, average, squareAverage, frozen, control, segments, settings, counters)
Napi::Value AdamWStepCall(const Napi::CallbackInfo& info) {
  StepBuffers buffers = ReadStepBuffers(info, "average", "squareAverage");
  const Memory<double> control = ReadDoubles(Argument(info, 6), "control", kControlSlots);
  std::vector<Segment> segments = ReadSegments(Argument(info, 7), buffers.length);
  StepSettings settings;
  ReadStepSettings(Settings(Argument(info, 8)), &settings);
  buffers.held.push_back(control.value);
  const AdamWMemory memory{buffers.parameters, buffers.first_state, buffers.second_state};
  double* const counters = ReadCounters(info, 9, buffers.device, &buffers.held);
  if (buffers.device != SOUL_CPU) {
    return PostStepOnDevice(info.Env(), buffers.held, buffers.device, control.data,
                            [counters, memory, length = buffers.length, segments = std::move(segments),
                             settings](cuda::Queue& queue) {
                              return cuda::EnqueueAdamWStep(queue, counters, memory, length, segments,
                                                            settings);
                            });
  }
  return PostWork(
      info.Env(), buffers.held,
      [&pool = PoolOf(info.Env()), memory, length = buffers.length, control = control.data, counters,
       segments = std::move(segments), settings] {
        StepReport report = RunAdamWStep(pool, counters, memory, length, segments, settings);
        return StepOutcome(WithCounters(std::move(report), counters), control);
      },
      buffers.length);
}

Outcome UpdateOutcome(const StepReport& report, double* control) {
  Outcome outcome = OutcomeOf(report, control);
  if (outcome.failure.code == nullptr) outcome.numbers = {report.skipped ? 1.0 : 0.0};
  return outcome;
}

// hessianUpdate(hessian, estimate, frozen | undefined, control, settings, counters) -> [skipped]
Napi::Value HessianUpdateCall(const Napi::CallbackInfo& info) {
  const FlatMemory hessian = ReadFloating(Argument(info, 0), "hessian");
  const FlatMemory gradients = ReadFloating(Argument(info, 1), "estimate", hessian.length);
  const FlatMemory frozen = ReadMask(Argument(info, 2), "frozen", hessian.length);
  const Memory<double> control = ReadDoubles(Argument(info, 3), "control", kControlSlots);
  const Settings given(Argument(info, 4));
  HessianSettings settings;
  settings.beta2 = given.Number(kBeta2, "beta2", 0, 1);
  settings.batch_size = given.Number(kBatchSize, "batchSize", 0, kLargest);
  settings.parts = given.Integer(kParts, "parts", 1, int64_t{1} << 31);
  settings.part = given.Integer(kPart, "part", 0, settings.parts - 1);
  settings.prime = given.Flag(kPrime);
  settings.skip_non_finite = given.Flag(kSkipNonFinite);
  settings.stochastic_rounding = given.Flag(kStochasticRounding);
  settings.seed = given.Seed();
  std::vector<Napi::Value> held{hessian.value, gradients.value, control.value};
  if (frozen.elements) held.push_back(frozen.value);
  const int32_t device =
      ReadDevice(info.Env(), {{"hessian", &hessian}, {"estimate", &gradients}, {"frozen", &frozen}});
  double* const counters = ReadCounters(info, 5, device, &held);
  if (device != SOUL_CPU) {
    return PostDeviceWork(
        info.Env(), held, device,
        [counters, control = control.data, hessian = hessian.elements, gradients = gradients.elements,
         mask = static_cast<FrozenMask>(frozen.elements.data), length = hessian.length,
         settings](cuda::Queue& queue) -> DeviceOutcome {
          return [report =
                      cuda::EnqueueHessianUpdate(queue, counters, hessian, gradients, mask, length, settings),
                  control] { return UpdateOutcome(report(), control); };
        });
  }
  return PostWork(
      info.Env(), held,
      [&pool = PoolOf(info.Env()), hessian = hessian.elements, gradients = gradients.elements,
       mask = static_cast<FrozenMask>(frozen.elements.data), length = hessian.length, control = control.data,
       counters, settings] {
        StepReport report = RunHessianUpdate(pool, counters, hessian, gradients, mask, length, settings);
        return UpdateOutcome(WithCounters(std::move(report), counters), control);
      },
      hessian.length);
}

// setCounters(values, control, counters) -> Promise<void>: both become the values, each in its turn.
Napi::Value SetCountersCall(const Napi::CallbackInfo& info) {
  using Counters = std::array<double, kControlSlots>;
  const Memory<double> given = ReadDoubles(Argument(info, 0), "values", kControlSlots);
  const Memory<double> control = ReadDoubles(Argument(info, 1), "control", kControlSlots);
  std::vector<Napi::Value> held{control.value};
  const int32_t device = ReadMemory(Argument(info, 2), "counters").device;
  double* const counters = ReadCounters(info, 2, device, &held);
  Counters values{};
  std::copy_n(given.data, kControlSlots, values.begin());
  const auto outcome = [values, control = control.data] {
    Outcome done;
    done.before_settling = [values, control] { std::copy(values.begin(), values.end(), control); };
    return done;
  };
  if (device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, device,
                          [values, counters, outcome](cuda::Queue& queue) -> DeviceOutcome {
                            queue.Upload(counters, values.data(), sizeof(values));
                            return outcome;
                          });
  }
  return PostWork(
      info.Env(), held,
      [values, counters, outcome] {
        std::copy(values.begin(), values.end(), counters);
        return outcome();
      },
      kControlSlots);
}

}  // namespace

void ExportOptimizerCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("sophiaStep", Napi::Function::New(env, SophiaStepCall, "sophiaStep"));
  exports.Set("adamwStep", Napi::Function::New(env, AdamWStepCall, "adamwStep"));
  exports.Set("setCounters", Napi::Function::New(env, SetCountersCall, "setCounters"));
  exports.Set("hessianUpdate", Napi::Function::New(env, HessianUpdateCall, "hessianUpdate"));
}

}  // namespace soul
