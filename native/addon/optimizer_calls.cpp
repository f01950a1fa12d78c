// Calls of the optimizers: each one job, one pass over memory.
//
// `control` is a Float64Array of kControlSlots; `segments` holds [start, length, learningRateScale,
// weightDecay (NaN: the step's own), countsForRho] of each range. A step resolves to [step, skipped,
// gradientNorm, rho, then stepped, clipped and changed counts of each segment].
#include <limits>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
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

void ReadRounding(const Napi::Object& object, bool* stochastic, uint64_t* seed) {
  *stochastic = ReadBoolean(object.Get("stochasticRounding"), "stochasticRounding");
  *seed = ReadUnsigned64(object.Get("seed"), "seed");
}

double ReadField(const Napi::Object& object, const char* name, double low, double high) {
  return ReadNumber(object.Get(name), name, low, high);
}

bool ReadFlag(const Napi::Object& object, const char* name) {
  return ReadBoolean(object.Get(name), name);
}

void ReadStepSettings(const Napi::Object& object, StepSettings* settings) {
  settings->learning_rate = ReadField(object, "learningRate", 0, kLargest);
  settings->weight_decay = ReadField(object, "weightDecay", 0, kLargest);
  settings->beta1 = ReadField(object, "beta1", 0, 1);
  settings->beta2 = ReadField(object, "beta2", 0, 1);
  settings->epsilon = ReadField(object, "epsilon", 0, kLargest);
  settings->clip_norm = ReadField(object, "clipNorm", 0, kLargest);
  settings->maximize = ReadFlag(object, "maximize");
  settings->skip_non_finite = ReadFlag(object, "skipNonFinite");
  settings->zero_gradients = ReadFlag(object, "zeroGradients");
  ReadRounding(object, &settings->stochastic_rounding, &settings->seed);
}

Outcome StepOutcome(const StepReport& report, const double* control) {
  if (!report.error.empty()) return Outcome::Failed("SOUL_INVALID_ARGUMENT", report.error);
  Outcome outcome;
  outcome.numbers = {control[kStep], report.skipped ? 1.0 : 0.0, report.gradient_norm, control[kRho]};
  for (const SegmentCounts& segment : report.segments) {
    outcome.numbers.push_back(static_cast<double>(segment.stepped));
    outcome.numbers.push_back(static_cast<double>(segment.clipped));
    outcome.numbers.push_back(static_cast<double>(segment.changed));
  }
  return outcome;
}

// The buffers of a step, from an object { values, master?, gradients, frozen?, and two states by their names
// }.
struct StepBuffers {
  ParameterMemory parameters;
  Elements first_state;
  Elements second_state;
  int64_t length = 0;
  std::vector<Napi::Value> held;
};

StepBuffers ReadStepBuffers(const Napi::Object& object, const char* first, const char* second) {
  const FlatMemory values = ReadFloating(object.Get("values"), "values");
  const DType dtype = values.elements.dtype;
  const FlatMemory gradients = ReadFloating(object.Get("gradients"), "gradients", values.length, dtype);
  const FlatMemory first_state = ReadFloating(object.Get(first), first, values.length);
  const FlatMemory second_state =
      ReadFloating(object.Get(second), second, values.length, first_state.elements.dtype);
  const FlatMemory frozen = ReadMask(object.Get("frozen"), "frozen", values.length);
  StepBuffers buffers{
      {values.elements, nullptr, gradients.elements, static_cast<FrozenMask>(frozen.elements.data)},
      first_state.elements,
      second_state.elements,
      values.length,
      {values.value, gradients.value, first_state.value, second_state.value}};
  if (frozen.elements) buffers.held.push_back(frozen.value);
  const Napi::Value master = object.Get("master");
  if (!master.IsUndefined()) {
    if (dtype != DType::kBFloat16)
      ThrowInvalid(object.Env(), "values", "bfloat16 memory where there is a master");
    const Memory<float> floats = ReadFloats(master, "master", values.length);
    buffers.parameters.master = floats.data;
    buffers.held.push_back(master);
  }
  return buffers;
}

// sophiaStep({ values, master?, gradients, momentum, hessian, frozen?, estimate? }, control, segments,
// settings)
Napi::Value SophiaStepCall(const Napi::CallbackInfo& info) {
  const Napi::Object object = ReadObject(Argument(info, 0), "buffers");
  StepBuffers buffers = ReadStepBuffers(object, "momentum", "hessian");
  const Memory<double> control = ReadDoubles(Argument(info, 1), "control", kControlSlots);
  std::vector<Segment> segments = ReadSegments(Argument(info, 2), buffers.length);
  const Napi::Object given = ReadObject(Argument(info, 3), "settings");
  SophiaSettings settings;
  ReadStepSettings(given, &settings);
  settings.denominator = ReadFlag(given, "denominatorMax") ? Denominator::kMax : Denominator::kSum;
  settings.clipped_fraction = ReadField(given, "clippedFraction", 0, 1);
  settings.momentum_correction = ReadFlag(given, "momentumBiasCorrection");
  buffers.held.push_back(control.value);
  const Napi::Value estimate = object.Get("estimate");
  if (!estimate.IsUndefined()) {
    settings.estimate_from = ReadFloating(estimate, "estimate", buffers.length).elements;
    settings.batch_size = ReadField(given, "batchSize", 0, kLargest);
    settings.prime = ReadFlag(given, "prime");
    settings.estimate_clipped = ReadFlag(given, "estimateClipped");
    buffers.held.push_back(estimate);
  }
  const SophiaMemory memory{buffers.parameters, buffers.first_state, buffers.second_state};
  return PostWork(info.Env(), buffers.held,
                  [&pool = PoolOf(info.Env()), memory, length = buffers.length, control = control.data,
                   segments = std::move(segments), settings] {
                    return StepOutcome(RunSophiaStep(pool, control, memory, length, segments, settings),
                                       control);
                  });
}

// adamwStep({ values, master?, gradients, average, squareAverage, frozen? }, control, segments, settings)
Napi::Value AdamWStepCall(const Napi::CallbackInfo& info) {
  StepBuffers buffers = ReadStepBuffers(ReadObject(Argument(info, 0), "buffers"), "average", "squareAverage");
  const Memory<double> control = ReadDoubles(Argument(info, 1), "control", kControlSlots);
  std::vector<Segment> segments = ReadSegments(Argument(info, 2), buffers.length);
  StepSettings settings;
  ReadStepSettings(ReadObject(Argument(info, 3), "settings"), &settings);
  buffers.held.push_back(control.value);
  const AdamWMemory memory{buffers.parameters, buffers.first_state, buffers.second_state};
  return PostWork(info.Env(), buffers.held,
                  [&pool = PoolOf(info.Env()), memory, length = buffers.length, control = control.data,
                   segments = std::move(segments), settings] {
                    return StepOutcome(RunAdamWStep(pool, control, memory, length, segments, settings),
                                       control);
                  });
}

// hessianUpdate({ hessian, estimate, frozen? }, control, settings) -> [skipped]
Napi::Value HessianUpdateCall(const Napi::CallbackInfo& info) {
  const Napi::Object buffers = ReadObject(Argument(info, 0), "buffers");
  const FlatMemory hessian = ReadFloating(buffers.Get("hessian"), "hessian");
  const FlatMemory gradients = ReadFloating(buffers.Get("estimate"), "estimate", hessian.length);
  const FlatMemory frozen = ReadMask(buffers.Get("frozen"), "frozen", hessian.length);
  const Memory<double> control = ReadDoubles(Argument(info, 1), "control", kControlSlots);
  const Napi::Object object = ReadObject(Argument(info, 2), "settings");
  HessianSettings settings;
  settings.beta2 = ReadField(object, "beta2", 0, 1);
  settings.batch_size = ReadField(object, "batchSize", 0, kLargest);
  settings.parts = ReadInteger(object.Get("parts"), "parts", 1, int64_t{1} << 31);
  settings.part = ReadInteger(object.Get("part"), "part", 0, settings.parts - 1);
  settings.prime = ReadFlag(object, "prime");
  settings.skip_non_finite = ReadFlag(object, "skipNonFinite");
  ReadRounding(object, &settings.stochastic_rounding, &settings.seed);
  std::vector<Napi::Value> held{hessian.value, gradients.value, control.value};
  if (frozen.elements) held.push_back(frozen.value);
  return PostWork(info.Env(), held,
                  [&pool = PoolOf(info.Env()), hessian = hessian.elements, gradients = gradients.elements,
                   mask = static_cast<FrozenMask>(frozen.elements.data), length = hessian.length,
                   control = control.data, settings] {
                    const StepReport report =
                        RunHessianUpdate(pool, control, hessian, gradients, mask, length, settings);
                    if (!report.error.empty()) return Outcome::Failed("SOUL_INVALID_ARGUMENT", report.error);
                    return Outcome{{}, {report.skipped ? 1.0 : 0.0}};
                  });
}

}  // namespace

void ExportOptimizerCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("sophiaStep", Napi::Function::New(env, SophiaStepCall, "sophiaStep"));
  exports.Set("adamwStep", Napi::Function::New(env, AdamWStepCall, "adamwStep"));
  exports.Set("hessianUpdate", Napi::Function::New(env, HessianUpdateCall, "hessianUpdate"));
}

}  // namespace soul
