// The token losses of SoulInterface as calls of their own, so that tests can hold them against float64.
//
// Rows are dense: stride = vocabulary. Every call runs on the dispatcher.
#include <algorithm>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "kernels/cpu/kernels.h"
#include "kernels/float_math.h"
#include "kernels/random.h"

namespace soul {
namespace {

constexpr int64_t kLargestVocabulary = int64_t{1} << 31;

struct Rows {
  Memory<float> logits;
  SoulTokenRows rows;
};

Rows ReadRows(const Napi::Value& value, const char* name, int64_t vocabulary) {
  const Memory<float> logits = ReadFloats(value, name);
  if (logits.length % vocabulary != 0) ThrowInvalid(value.Env(), name, "a whole number of rows");
  return {logits, {logits.data, logits.length / vocabulary, vocabulary, vocabulary}};
}

// Elements that are worth a thread's turn.
constexpr int64_t kGrain = 32768;

// Calls work(first, count) for pieces of the rows, on the pool.
template <typename Work>
void ForRows(ThreadPool& pool, const SoulTokenRows& rows, const Work& work) {
  const int64_t grain = std::max<int64_t>(1, kGrain / rows.vocabulary);
  // Two pieces are worth two threads, since a piece may be one long row.
  pool.ForEach((rows.rows + grain - 1) / grain,
               [&](int64_t piece, int) {
                 const int64_t first = piece * grain;
                 work(first, std::min(grain, rows.rows - first));
               },
               2);
}

SoulTokenRows PartOf(const SoulTokenRows& rows, int64_t first, int64_t count) {
  return {rows.logits + first * rows.stride, count, rows.vocabulary, rows.stride};
}

// The element of a row, where there are any.
template <typename Element>
Element* From(Element* rows, int64_t first) {
  return rows == nullptr ? nullptr : rows + first;
}

int64_t ReadVocabulary(const Napi::Value& value) {
  return ReadInteger(value, "vocabulary", 1, kLargestVocabulary - 1);
}

// A checked copy, since JavaScript can still write to the array. False when a label is out of range.
bool CopyLabels(const int32_t* labels, const SoulTokenRows& rows, std::vector<int32_t>* copy) {
  copy->assign(labels, labels + rows.rows);
  for (const int32_t label : *copy) {
    if (label < 0 || label >= rows.vocabulary) return false;
  }
  return true;
}

Outcome BadLabel() {
  return Outcome::Failed("SOUL_INVALID_ARGUMENT", "labels must be integers from 0 to vocabulary - 1");
}

template <typename Element, typename Read>
Element* ReadOut(const Napi::Object& object, const char* name, int64_t rows, std::vector<Napi::Value>* held,
                 Read read) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return nullptr;
  held->push_back(value);
  return read(value, name, rows).data;
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
  return PostWork(info.Env(), {rows.logits.value, labels.value, weights.value, log_sum_exp.value},
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

// scoreDivergence(logits, reference, vocabulary, divergence, logSumExp, referenceLogSumExp) -> Promise<void>
Napi::Value ScoreDivergenceCall(const Napi::CallbackInfo& info) {
  const int64_t vocabulary = ReadVocabulary(Argument(info, 2));
  const Rows rows = ReadRows(Argument(info, 0), "logits", vocabulary);
  const Rows reference = ReadRows(Argument(info, 1), "reference", vocabulary);
  if (reference.rows.rows != rows.rows.rows)
    ThrowInvalid(info.Env(), "reference", "of as many rows as logits");
  const Memory<float> divergence = ReadFloats(Argument(info, 3), "divergence", rows.rows.rows);
  const Memory<float> sums = ReadFloats(Argument(info, 4), "logSumExp", rows.rows.rows);
  const Memory<float> reference_sums = ReadFloats(Argument(info, 5), "referenceLogSumExp", rows.rows.rows);
  return PostWork(
      info.Env(),
      {rows.logits.value, reference.logits.value, divergence.value, sums.value, reference_sums.value},
      [&pool = PoolOf(info.Env()), rows = rows.rows, reference = reference.rows, divergence = divergence.data,
       sums = sums.data, reference_sums = reference_sums.data] {
        ForRows(pool, rows, [&](int64_t first, int64_t count) {
          const SoulTokenRows part = PartOf(rows, first, count);
          const SoulTokenRows reference_part = PartOf(reference, first, count);
          ActiveKernels().score_divergence(&part, &reference_part, divergence + first, sums + first,
                                           reference_sums + first);
        });
        return Outcome{};
      });
}

// divergenceGradient(logits, reference, vocabulary, weights, logSumExp, referenceLogSumExp) -> Promise<void>
Napi::Value DivergenceGradientCall(const Napi::CallbackInfo& info) {
  const int64_t vocabulary = ReadVocabulary(Argument(info, 2));
  const Rows rows = ReadRows(Argument(info, 0), "logits", vocabulary);
  const Rows reference = ReadRows(Argument(info, 1), "reference", vocabulary);
  if (reference.rows.rows != rows.rows.rows)
    ThrowInvalid(info.Env(), "reference", "of as many rows as logits");
  const Memory<float> weights = ReadFloats(Argument(info, 3), "weights", rows.rows.rows);
  const Memory<float> sums = ReadFloats(Argument(info, 4), "logSumExp", rows.rows.rows);
  const Memory<float> reference_sums = ReadFloats(Argument(info, 5), "referenceLogSumExp", rows.rows.rows);
  return PostWork(
      info.Env(),
      {rows.logits.value, reference.logits.value, weights.value, sums.value, reference_sums.value},
      [&pool = PoolOf(info.Env()), rows = rows.rows, reference = reference.rows, weights = weights.data,
       sums = sums.data, reference_sums = reference_sums.data] {
        ForRows(pool, rows, [&](int64_t first, int64_t count) {
          const SoulTokenRows part = PartOf(rows, first, count);
          const SoulTokenRows reference_part = PartOf(reference, first, count);
          ActiveKernels().divergence_gradient(&part, &reference_part, weights + first, sums + first,
                                              reference_sums + first);
        });
        return Outcome{};
      });
}

// elementwise('exp' | 'log', input, output) -> Promise<void>
Napi::Value Elementwise(const Napi::CallbackInfo& info) {
  const Memory<float> input = ReadFloats(Argument(info, 1), "input");
  const Memory<float> output = ReadFloats(Argument(info, 2), "output", input.length);
  const std::string name =
      Argument(info, 0).IsString() ? Argument(info, 0).As<Napi::String>().Utf8Value() : "";
  float (*function)(float) = nullptr;
  if (name == "exp") function = [](float x) { return Exp(x); };
  if (name == "log") function = [](float x) { return Log(x); };
  if (function == nullptr) ThrowInvalid(info.Env(), "name", "'exp' or 'log'");
  return PostWork(info.Env(), {input.value, output.value},
                  [function, from = input.data, to = output.data, length = input.length] {
                    for (int64_t i = 0; i < length; ++i) to[i] = function(from[i]);
                    return Outcome{};
                  });
}

// randomBits(seed, row, bits: Int32Array) -> Promise<void>: the bits of elements 0, 1, ...
Napi::Value RandomBitsCall(const Napi::CallbackInfo& info) {
  const uint64_t seed = ReadUnsigned64(Argument(info, 0), "seed");
  const uint64_t row = ReadUnsigned64(Argument(info, 1), "row");
  const Memory<int32_t> bits = ReadIntegers(Argument(info, 2), "bits");
  return PostWork(info.Env(), {bits.value}, [seed, row, to = bits.data, length = bits.length] {
    const RandomKey key = KeyOf(seed, row);
    for (int64_t i = 0; i < length; ++i)
      to[i] = static_cast<int32_t>(RandomBits(key, static_cast<uint32_t>(i)));
    return Outcome{};
  });
}

}  // namespace

void ExportTokenCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("scoreTokens", Napi::Function::New(env, ScoreTokensCall, "scoreTokens"));
  exports.Set("tokenGradient", Napi::Function::New(env, TokenGradientCall, "tokenGradient"));
  exports.Set("scoreDivergence", Napi::Function::New(env, ScoreDivergenceCall, "scoreDivergence"));
  exports.Set("divergenceGradient", Napi::Function::New(env, DivergenceGradientCall, "divergenceGradient"));
  exports.Set("elementwise", Napi::Function::New(env, Elementwise, "elementwise"));
  exports.Set("randomBits", Napi::Function::New(env, RandomBitsCall, "randomBits"));
}

}  // namespace soul
