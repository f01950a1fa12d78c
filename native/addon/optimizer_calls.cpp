// Calls of the optimizers: each one job, one pass over memory.
//
// `control` is a Float64Array of kControlSlots; `segments` holds [start, length, learningRateScale,
// weightDecay (NaN: the step's own), countsForRho] of each range. A step resolves to [step, skipped,
// gradientNorm, rho, then clipped and changed counts of each segment].
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
}

Outcome StepOutcome(const StepReport& report, const double* control) {
  if (!report.error.empty()) return Outcome::Failed("SOUL_INVALID_ARGUMENT", report.error);
  Outcome outcome;
  outcome.numbers = {control[kStep], report.skipped ? 1.0 : 0.0, report.gradient_norm, control[kRho]};
  for (const SegmentCounts& segment : report.segments) {
    outcome.numbers.push_back(static_cast<double>(segment.clipped));
    outcome.numbers.push_back(static_cast<double>(segment.changed));
  }
  return outcome;
}

// sophiaStep(values, gradients, momentum, hessian, hessianFrom | undefined, control, segments, settings)
Napi::Value SophiaStepCall(const Napi::CallbackInfo& info) {
  const Memory<float> values = ReadFloats(Argument(info, 0), "values");
  const Memory<float> gradients = ReadFloats(Argument(info, 1), "gradients", values.length);
  const Memory<float> momentum = ReadFloats(Argument(info, 2), "momentum", values.length);
  const Memory<float> hessian = ReadFloats(Argument(info, 3), "hessian", values.length);
  const bool estimates = !Argument(info, 4).IsUndefined();
  const Memory<float> from =
      estimates ? ReadFloats(Argument(info, 4), "hessian.from", values.length) : Memory<float>{};
  const Memory<double> control = ReadDoubles(Argument(info, 5), "control", kControlSlots);
  std::vector<Segment> segments = ReadSegments(Argument(info, 6), values.length);
  const Napi::Object object = ReadObject(Argument(info, 7), "settings");
  SophiaSettings settings;
  ReadStepSettings(object, &settings);
  settings.denominator = ReadFlag(object, "denominatorMax") ? Denominator::kMax : Denominator::kSum;
  settings.clipped_fraction = ReadField(object, "clippedFraction", 0, 1);
  settings.momentum_correction = ReadFlag(object, "momentumBiasCorrection");
  if (estimates) {
    settings.estimate_from = from.data;
    settings.batch_size = ReadField(object, "batchSize", 0, kLargest);
    settings.prime = ReadFlag(object, "prime");
    settings.estimate_clipped = ReadFlag(object, "estimateClipped");
  }
  std::vector<Napi::Value> held{values.value, gradients.value, momentum.value, hessian.value, control.value};
  if (estimates) held.push_back(from.value);
  const SophiaMemory memory{values.data, gradients.data, momentum.data, hessian.data};
  return PostWork(
      info.Env(), held,
      [memory, length = values.length, control = control.data, segments = std::move(segments), settings] {
        return StepOutcome(RunSophiaStep(control, memory, length, segments, settings), control);
      });
}

// adamwStep(values, gradients, average, squareAverage, control, segments, settings)
Napi::Value AdamWStepCall(const Napi::CallbackInfo& info) {
  const Memory<float> values = ReadFloats(Argument(info, 0), "values");
  const Memory<float> gradients = ReadFloats(Argument(info, 1), "gradients", values.length);
  const Memory<float> average = ReadFloats(Argument(info, 2), "average", values.length);
  const Memory<float> square_average = ReadFloats(Argument(info, 3), "squareAverage", values.length);
  const Memory<double> control = ReadDoubles(Argument(info, 4), "control", kControlSlots);
  std::vector<Segment> segments = ReadSegments(Argument(info, 5), values.length);
  StepSettings settings;
  ReadStepSettings(ReadObject(Argument(info, 6), "settings"), &settings);
  const AdamWMemory memory{values.data, gradients.data, average.data, square_average.data};
  return PostWork(
      info.Env(), {values.value, gradients.value, average.value, square_average.value, control.value},
      [memory, length = values.length, control = control.data, segments = std::move(segments), settings] {
        return StepOutcome(RunAdamWStep(control, memory, length, segments, settings), control);
      });
}

// hessianUpdate(hessian, gradients, control, settings) -> [skipped]
Napi::Value HessianUpdateCall(const Napi::CallbackInfo& info) {
  const Memory<float> hessian = ReadFloats(Argument(info, 0), "hessian");
  const Memory<float> gradients = ReadFloats(Argument(info, 1), "gradients", hessian.length);
  const Memory<double> control = ReadDoubles(Argument(info, 2), "control", kControlSlots);
  const Napi::Object object = ReadObject(Argument(info, 3), "settings");
  HessianSettings settings;
  settings.beta2 = ReadField(object, "beta2", 0, 1);
  settings.batch_size = ReadField(object, "batchSize", 0, kLargest);
  settings.parts = ReadInteger(object.Get("parts"), "parts", 1, int64_t{1} << 31);
  settings.part = ReadInteger(object.Get("part"), "part", 0, settings.parts - 1);
  settings.prime = ReadFlag(object, "prime");
  settings.skip_non_finite = ReadFlag(object, "skipNonFinite");
  return PostWork(info.Env(), {hessian.value, gradients.value, control.value},
                  [hessian = hessian.data, gradients = gradients.data, length = hessian.length,
                   control = control.data, settings] {
                    const StepReport report = RunHessianUpdate(control, hessian, gradients, length, settings);
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
