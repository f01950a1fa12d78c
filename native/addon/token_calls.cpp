// The token losses of SoulInterface as calls of their own, so that tests can hold them against float64
// (addon/token_rows.h says what they take).
#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/token_rows.h"
#include "addon/work.h"
#include "kernels/cpu/kernels.h"
#include "runtime/cuda/token_launches.h"

namespace soul {
namespace {

template <typename Element, typename Read>
Element* ReadOut(const Napi::Object& object, const char* name, int64_t rows, std::vector<Napi::Value>* held,
                 Read read) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return nullptr;
  held->push_back(value);
  return read(value, name, rows).data;
}

DeviceOutcome ScoreOnDevice(cuda::Queue& queue, const SoulTokenRows& rows, const SoulTokenScores& scores) {
  if (rows.rows == 0) return {};
  SoulTokenScores there = scores;
  if (scores.labels != nullptr) {
    std::vector<int32_t> labels;
    if (!CopyLabels(scores.labels, rows, &labels)) return BadLabel;
    there.labels = Upload(queue, labels.data(), rows.rows);
  }
  Results results(queue, rows.rows);
  there.log_sum_exp = results.For(scores.log_sum_exp);
  there.nll = results.For(scores.nll);
  there.mean_log_p = results.For(scores.mean_log_p);
  there.variance_log_p = results.For(scores.variance_log_p);
  there.is_argmax = results.For(scores.is_argmax);
  there.sampled_labels = results.For(scores.sampled_labels);
  cuda::EnqueueTokenScores(queue, queue.stream(), rows, there);
  return results.Read();
}

// scoreTokens(logits, vocabulary, { labels?, sampledLabels?, sampleSeed?, firstRow?, logSumExp?, nll?,
// isArgmax?, meanLogP?, varianceLogP? }) -> Promise<void>
Napi::Value ScoreTokensCall(const Napi::CallbackInfo& info) {
  const Rows rows = ReadRows(Argument(info, 0), "logits", ReadVocabulary(Argument(info, 1)));
  const Napi::Object object = ReadObject(Argument(info, 2), "scores");
  const int64_t count = rows.rows.rows;
  std::vector<Napi::Value> held{rows.logits.value};
  const auto floats = [](const Napi::Value& value, const char* name, int64_t length) {
    return ReadFloats(value, name, length);
  };
  const auto integers = [](const Napi::Value& value, const char* name, int64_t length) {
    return ReadIntegers(value, name, length);
  };
  SoulTokenScores scores{};
  scores.log_sum_exp = ReadOut<float>(object, "logSumExp", count, &held, floats);
  scores.nll = ReadOut<float>(object, "nll", count, &held, floats);
  scores.mean_log_p = ReadOut<float>(object, "meanLogP", count, &held, floats);
  scores.variance_log_p = ReadOut<float>(object, "varianceLogP", count, &held, floats);
  scores.is_argmax = ReadOut<uint8_t>(object, "isArgmax", count, &held, ReadBytes);
  scores.labels = ReadOut<int32_t>(object, "labels", count, &held, integers);
  scores.sampled_labels = ReadOut<int32_t>(object, "sampledLabels", count, &held, integers);
  const Napi::Value seed = object.Get("sampleSeed");
  if (!seed.IsUndefined()) scores.sample_seed = ReadUnsigned64(seed, "sampleSeed");
  const Napi::Value first_row = object.Get("firstRow");
  if (!first_row.IsUndefined()) scores.first_row = ReadUnsigned64(first_row, "firstRow");
  if (rows.logits.device != SOUL_CPU) {
    return PostDeviceWork(
        info.Env(), held, rows.logits.device,
        [rows = rows.rows, scores](cuda::Queue& queue) { return ScoreOnDevice(queue, rows, scores); });
  }
  return PostWork(info.Env(), held, [&pool = PoolOf(info.Env()), rows = rows.rows, scores]() mutable {
    std::vector<int32_t> labels;
    if (scores.labels != nullptr) {
      if (!CopyLabels(scores.labels, rows, &labels)) return BadLabel();
      scores.labels = labels.data();
    }
    ForRows(pool, rows, [&](int64_t first, int64_t count) {
      const SoulTokenRows part = PartOf(rows, first, count);
      SoulTokenScores own = scores;
      own.log_sum_exp = From(scores.log_sum_exp, first);
      own.nll = From(scores.nll, first);
      own.is_argmax = From(scores.is_argmax, first);
      own.mean_log_p = From(scores.mean_log_p, first);
      own.variance_log_p = From(scores.variance_log_p, first);
      own.labels = From(scores.labels, first);
      own.sampled_labels = From(scores.sampled_labels, first);
      own.first_row = scores.first_row + static_cast<uint64_t>(first);
      ActiveKernels().score_tokens(&part, &own);
    });
    return Outcome{};
  });
}

// tokenGradient(logits, vocabulary, labels, weights, logSumExp) -> Promise<void>
Napi::Value TokenGradientCall(const Napi::CallbackInfo& info) {
  const Rows rows = ReadRows(Argument(info, 0), "logits", ReadVocabulary(Argument(info, 1)));
  const Memory<int32_t> labels = ReadIntegers(Argument(info, 2), "labels", rows.rows.rows);
  const Memory<float> weights = ReadFloats(Argument(info, 3), "weights", rows.rows.rows);
  const Memory<float> log_sum_exp = ReadFloats(Argument(info, 4), "logSumExp", rows.rows.rows);
  const std::vector<Napi::Value> held{rows.logits.value, labels.value, weights.value, log_sum_exp.value};
  if (rows.logits.device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, rows.logits.device,
                          [rows = rows.rows, labels = labels.data, weights = weights.data,
                           sums = log_sum_exp.data](cuda::Queue& queue) -> DeviceOutcome {
                            std::vector<int32_t> copy;
                            if (!CopyLabels(labels, rows, &copy)) return BadLabel;
                            if (rows.rows == 0) return {};
                            cuda::EnqueueTokenGradient(
                                queue, queue.stream(), rows, Upload(queue, copy.data(), rows.rows),
                                Upload(queue, weights, rows.rows), Upload(queue, sums, rows.rows));
                            return {};
                          });
  }
  return PostWork(info.Env(), held,
                  [&pool = PoolOf(info.Env()), rows = rows.rows, labels = labels.data, weights = weights.data,
                   sums = log_sum_exp.data] {
                    std::vector<int32_t> copy;
                    if (!CopyLabels(labels, rows, &copy)) return BadLabel();
                    ForRows(pool, rows, [&](int64_t first, int64_t count) {
                      const SoulTokenRows part = PartOf(rows, first, count);
                      ActiveKernels().token_gradient(&part, copy.data() + first, weights + first,
                                                     sums + first);
                    });
                    return Outcome{};
                  });
}

}  // namespace

void ExportTokenCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("scoreTokens", Napi::Function::New(env, ScoreTokensCall, "scoreTokens"));
  exports.Set("tokenGradient", Napi::Function::New(env, TokenGradientCall, "tokenGradient"));
}

}  // namespace soul
