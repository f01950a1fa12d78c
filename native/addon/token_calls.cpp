// The token losses of SoulInterface as calls of their own, so that tests can hold them against float64.
//
// Rows are dense: stride = vocabulary. Logits are float32 or bfloat16, a reference's whatever the model's
// are; they may lie on a device. What has one entry per row is an array of the host in either case: where it
// is filled by a device, it is so when the promise resolves.
#include <algorithm>
#include <cstring>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "kernels/cpu/kernels.h"
#include "runtime/cuda/token_launches.h"

namespace soul {
namespace {

constexpr int64_t kLargestVocabulary = int64_t{1} << 31;

struct Rows {
  FlatMemory logits;
  SoulTokenRows rows;
};

Rows ReadRows(const Napi::Value& value, const char* name, int64_t vocabulary) {
  const FlatMemory logits = ReadFloating(value, name);
  if (logits.length % vocabulary != 0) ThrowInvalid(value.Env(), name, "a whole number of rows");
  const auto& [data, dtype] = logits.elements;
  return {logits, {data, logits.length / vocabulary, vocabulary, vocabulary, static_cast<uint32_t>(dtype)}};
}

// Of two rows that belong together; throws where they do not.
int32_t ReadDeviceOfRows(Napi::Env env, const Rows& rows, const Rows& reference) {
  if (reference.rows.rows != rows.rows.rows) ThrowInvalid(env, "reference", "of as many rows as logits");
  return ReadDevice(env, {{"logits", &rows.logits}, {"reference", &reference.logits}});
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
  SoulTokenRows part = rows;
  const auto bytes = static_cast<int64_t>(SizeOf(static_cast<DType>(rows.dtype)));
  part.logits = static_cast<char*>(rows.logits) + first * rows.stride * bytes;
  part.rows = count;
  return part;
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

// An array of the host on the device, for the job that is being enqueued.
template <typename Element>
const Element* Upload(cuda::Queue& queue, const Element* entries, int64_t rows) {
  auto* const memory = queue.Scratch<Element>(rows);
  queue.Upload(memory, entries, static_cast<std::size_t>(rows) * sizeof(Element));
  return memory;
}

// Arrays of the host that a device fills.
class Results {
 public:
  Results(cuda::Queue& queue, int64_t rows) : queue_(queue), rows_(rows) {}

  // Device memory for an array; none for none.
  template <typename Element>
  Element* For(Element* array) {
    if (array == nullptr) return nullptr;
    auto* const memory = queue_.Scratch<Element>(rows_);
    results_.push_back({array, memory, static_cast<std::size_t>(rows_) * sizeof(Element), nullptr});
    return memory;
  }

  // To be called when everything is enqueued that writes them.
  DeviceOutcome Read() {
    for (Result& result : results_) result.copy = queue_.Read(result.memory, result.bytes);
    return [results = std::move(results_)] {
      for (const Result& result : results) std::memcpy(result.array, result.copy->As<void>(), result.bytes);
      return Outcome{};
    };
  }

 private:
  struct Result {
    void* array;
    const void* memory;
    std::size_t bytes;
    std::shared_ptr<const cuda::PinnedMemory> copy;
  };

  cuda::Queue& queue_;
  const int64_t rows_;
  std::vector<Result> results_;
};

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

}  // namespace

void ExportTokenCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("scoreTokens", Napi::Function::New(env, ScoreTokensCall, "scoreTokens"));
  exports.Set("tokenGradient", Napi::Function::New(env, TokenGradientCall, "tokenGradient"));
  exports.Set("scoreDivergence", Napi::Function::New(env, ScoreDivergenceCall, "scoreDivergence"));
  exports.Set("divergenceGradient", Napi::Function::New(env, DivergenceGradientCall, "divergenceGradient"));
}

}  // namespace soul
