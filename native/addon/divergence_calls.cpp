// Divergences of rows of logits, and the losses of targets, as calls of their own (addon/token_rows.h says
// what they take).
#include <cmath>
#include <optional>
#include <vector>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/token_rows.h"
#include "addon/work.h"
#include "kernels/cpu/kernels.h"
#include "runtime/cuda/token_launches.h"
#include "runtime/label_shift.h"

namespace soul {
namespace {

// scoreDivergence(logits, reference, vocabulary, divergence, logSumExp, referenceLogSumExp) -> Promise<void>
Napi::Value ScoreDivergenceCall(const Napi::CallbackInfo& info) {
  const int64_t vocabulary = ReadVocabulary(Argument(info, 2));
  const Rows rows = ReadRows(Argument(info, 0), "logits", vocabulary);
  const Rows reference = ReadRows(Argument(info, 1), "reference", vocabulary);
  const int32_t device = ReadDeviceOfRows(info.Env(), rows, reference);
  const Memory<float> divergence = ReadFloats(Argument(info, 3), "divergence", rows.rows.rows);
  const Memory<float> sums = ReadFloats(Argument(info, 4), "logSumExp", rows.rows.rows);
  const Memory<float> reference_sums = ReadFloats(Argument(info, 5), "referenceLogSumExp", rows.rows.rows);
  const std::vector<Napi::Value> held{rows.logits.value, reference.logits.value, divergence.value, sums.value,
                                      reference_sums.value};
  if (device != SOUL_CPU) {
    return PostDeviceWork(
        info.Env(), held, device,
        [rows = rows.rows, reference = reference.rows, divergence = divergence.data, sums = sums.data,
         reference_sums = reference_sums.data](cuda::Queue& queue) -> DeviceOutcome {
          if (rows.rows == 0) return {};
          Results results(queue, rows.rows);
          float* const divergence_there = results.For(divergence);
          float* const sums_there = results.For(sums);
          float* const reference_sums_there = results.For(reference_sums);
          cuda::EnqueueDivergence(queue, queue.stream(), rows, reference, divergence_there, sums_there,
                                  reference_sums_there);
          return results.Read();
        });
  }
  return PostWork(info.Env(), held,
                  [&pool = PoolOf(info.Env()), rows = rows.rows, reference = reference.rows,
                   divergence = divergence.data, sums = sums.data, reference_sums = reference_sums.data] {
                    ForRows(pool, rows, [&](int64_t first, int64_t count) {
                      const SoulTokenRows part = PartOf(rows, first, count);
                      const SoulTokenRows reference_part = PartOf(reference, first, count);
                      ActiveKernels().score_divergence(&part, &reference_part, divergence + first,
                                                       sums + first, reference_sums + first);
                    });
                    return Outcome{};
                  });
}

// divergenceGradient(logits, reference, vocabulary, weights, logSumExp, referenceLogSumExp) -> Promise<void>
Napi::Value DivergenceGradientCall(const Napi::CallbackInfo& info) {
  const int64_t vocabulary = ReadVocabulary(Argument(info, 2));
  const Rows rows = ReadRows(Argument(info, 0), "logits", vocabulary);
  const Rows reference = ReadRows(Argument(info, 1), "reference", vocabulary);
  const int32_t device = ReadDeviceOfRows(info.Env(), rows, reference);
  const Memory<float> weights = ReadFloats(Argument(info, 3), "weights", rows.rows.rows);
  const Memory<float> sums = ReadFloats(Argument(info, 4), "logSumExp", rows.rows.rows);
  const Memory<float> reference_sums = ReadFloats(Argument(info, 5), "referenceLogSumExp", rows.rows.rows);
  const std::vector<Napi::Value> held{rows.logits.value, reference.logits.value, weights.value, sums.value,
                                      reference_sums.value};
  if (device != SOUL_CPU) {
    return PostDeviceWork(
        info.Env(), held, device,
        [rows = rows.rows, reference = reference.rows, weights = weights.data, sums = sums.data,
         reference_sums = reference_sums.data](cuda::Queue& queue) -> DeviceOutcome {
          if (rows.rows == 0) return {};
          cuda::EnqueueDivergenceGradient(queue, queue.stream(), rows, reference,
                                          Upload(queue, weights, rows.rows), Upload(queue, sums, rows.rows),
                                          Upload(queue, reference_sums, rows.rows));
          return {};
        });
  }
  return PostWork(info.Env(), held,
                  [&pool = PoolOf(info.Env()), rows = rows.rows, reference = reference.rows,
                   weights = weights.data, sums = sums.data, reference_sums = reference_sums.data] {
                    ForRows(pool, rows, [&](int64_t first, int64_t count) {
                      const SoulTokenRows part = PartOf(rows, first, count);
                      const SoulTokenRows reference_part = PartOf(reference, first, count);
                      ActiveKernels().divergence_gradient(&part, &reference_part, weights + first,
                                                          sums + first, reference_sums + first);
                    });
                    return Outcome{};
                  });
}

// What both calls on targets are given; arrays are the host's.
struct TargetCall {
  SoulTokenRows rows;
  std::optional<SoulTokenRows> reference;
  int32_t device;
  SoulTokenTarget target;
  float* entries;  // the cross-entropies, or the weights

  const SoulTokenRows* other() const { return reference ? &*reference : nullptr; }
};

double ReadShift(const Napi::Value& value) {
  const double shift = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!IsShift(shift)) {
    ThrowInvalid(value.Env(), "shift", "a number that float32 can hold, or -Infinity");
  }
  return shift;
}

// (logits, reference | undefined, vocabulary, { labels, shift, logSumExp, targetLogSumExp, labelProbability
// }, entries)
TargetCall ReadTargetCall(const Napi::CallbackInfo& info, const char* entries_name,
                          std::vector<Napi::Value>* held) {
  const int64_t vocabulary = ReadVocabulary(Argument(info, 2));
  const Rows rows = ReadRows(Argument(info, 0), "logits", vocabulary);
  TargetCall call{.rows = rows.rows, .device = rows.logits.device};
  held->push_back(rows.logits.value);
  if (!Argument(info, 1).IsUndefined()) {
    const Rows reference = ReadRows(Argument(info, 1), "reference", vocabulary);
    call.device = ReadDeviceOfRows(info.Env(), rows, reference);
    call.reference = reference.rows;
    held->push_back(reference.logits.value);
  }
  const Napi::Object object = ReadObject(Argument(info, 3), "target");
  const auto floats = [&](const Napi::Value& value, const char* name) {
    held->push_back(value);
    return ReadFloats(value, name, call.rows.rows).data;
  };
  const Napi::Value labels = object.Get("labels");
  held->push_back(labels);
  call.target = {.labels = ReadIntegers(labels, "labels", call.rows.rows).data,
                 .shift = ReadShift(object.Get("shift")),
                 .log_sum_exp = floats(object.Get("logSumExp"), "logSumExp"),
                 .target_log_sum_exp = floats(object.Get("targetLogSumExp"), "targetLogSumExp"),
                 .label_probability = floats(object.Get("labelProbability"), "labelProbability")};
  call.entries = floats(Argument(info, 4), entries_name);
  return call;
}

// Calls work(rows, reference, target, first) for pieces of the rows, on the pool.
template <typename Work>
Outcome ForTargets(ThreadPool& pool, const TargetCall& call, const Work& work) {
  std::vector<int32_t> labels;
  if (!CopyLabels(call.target.labels, call.rows, &labels)) return BadLabel();
  ForRows(pool, call.rows, [&](int64_t first, int64_t count) {
    const SoulTokenRows part = PartOf(call.rows, first, count);
    SoulTokenRows reference{};
    if (call.reference) reference = PartOf(*call.reference, first, count);
    const SoulTokenTarget& target = call.target;
    const SoulTokenTarget own{labels.data() + first, target.shift, target.log_sum_exp + first,
                              target.target_log_sum_exp + first, target.label_probability + first};
    work(&part, call.reference ? &reference : nullptr, &own, first);
  });
  return Outcome{};
}

// scoreTarget(logits, reference?, vocabulary, { labels, shift, logSumExp, targetLogSumExp, labelProbability
// }, crossEntropy) -> Promise<void>; fills the arrays of the target, labelProbability where there is no
// reference
Napi::Value ScoreTargetCall(const Napi::CallbackInfo& info) {
  std::vector<Napi::Value> held;
  const TargetCall call = ReadTargetCall(info, "crossEntropy", &held);
  if (call.device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, call.device, [call](cuda::Queue& queue) -> DeviceOutcome {
      const int64_t count = call.rows.rows;
      std::vector<int32_t> labels;
      if (!CopyLabels(call.target.labels, call.rows, &labels)) return BadLabel;
      if (count == 0) return {};
      SoulTokenTarget there = call.target;
      there.labels = Upload(queue, labels.data(), count);
      Results results(queue, count);
      there.log_sum_exp = results.For(call.target.log_sum_exp);
      there.target_log_sum_exp = results.For(call.target.target_log_sum_exp);
      there.label_probability = call.reference ? nullptr : results.For(call.target.label_probability);
      float* const cross_entropy = results.For(call.entries);
      cuda::EnqueueTargetScores(queue, queue.stream(), call.rows, call.other(), there, cross_entropy);
      return results.Read();
    });
  }
  return PostWork(info.Env(), held, [&pool = PoolOf(info.Env()), call] {
    return ForTargets(pool, call, [&](auto* rows, auto* reference, auto* target, int64_t first) {
      ActiveKernels().score_target(rows, reference, target, call.entries + first);
    });
  });
}

// targetGradient(logits, reference?, vocabulary, { as scoreTarget left it }, weights) -> Promise<void>
Napi::Value TargetGradientCall(const Napi::CallbackInfo& info) {
  std::vector<Napi::Value> held;
  const TargetCall call = ReadTargetCall(info, "weights", &held);
  if (call.device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, call.device, [call](cuda::Queue& queue) -> DeviceOutcome {
      const int64_t count = call.rows.rows;
      std::vector<int32_t> labels;
      if (!CopyLabels(call.target.labels, call.rows, &labels)) return BadLabel;
      if (count == 0) return {};
      const auto there = [&](float* array) { return const_cast<float*>(Upload(queue, array, count)); };
      const SoulTokenTarget target{Upload(queue, labels.data(), count), call.target.shift,
                                   there(call.target.log_sum_exp), there(call.target.target_log_sum_exp),
                                   there(call.target.label_probability)};
      cuda::EnqueueTargetGradient(queue, queue.stream(), call.rows, call.other(), target,
                                  Upload(queue, call.entries, count));
      return {};
    });
  }
  return PostWork(info.Env(), held, [&pool = PoolOf(info.Env()), call] {
    return ForTargets(pool, call, [&](auto* rows, auto* reference, auto* target, int64_t first) {
      ActiveKernels().target_gradient(rows, reference, target, call.entries + first);
    });
  });
}

}  // namespace

void ExportDivergenceCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("scoreDivergence", Napi::Function::New(env, ScoreDivergenceCall, "scoreDivergence"));
  exports.Set("divergenceGradient", Napi::Function::New(env, DivergenceGradientCall, "divergenceGradient"));
  exports.Set("scoreTarget", Napi::Function::New(env, ScoreTargetCall, "scoreTarget"));
  exports.Set("targetGradient", Napi::Function::New(env, TargetGradientCall, "targetGradient"));
}

}  // namespace soul
