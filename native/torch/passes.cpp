#include "passes.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "job.h"

namespace soul {
namespace {

using at::Tensor;

// Logits of `rows` hidden states as the token-loss functions take them.
SoulTokenRows RowsOf(const Tensor& logits, int64_t first, int64_t last) {
  const int64_t vocabulary = logits.size(1);
  return {logits.data_ptr<float>() + first * vocabulary, last - first, vocabulary, vocabulary};
}

// A buffer for the logits of at most as many rows as the model's memory setting allows.
class ChunkBuffer {
 public:
  ChunkBuffer(const Model& model, int64_t rows, int64_t buffers) {
    const int64_t vocabulary = model.decoder.size().vocabulary;
    const int64_t row_bytes = vocabulary * static_cast<int64_t>(sizeof(float)) * buffers;
    rows_ = std::clamp<int64_t>(model.logits_memory / row_bytes, 1, rows);
    memory_ = at::empty({rows_, vocabulary});
  }

  int64_t rows() const { return rows_; }

  Tensor Logits(const Model& model, const Tensor& hidden) {
    Tensor chunk = memory_.narrow(0, 0, hidden.size(0));
    at::mm_out(chunk, hidden, model.decoder.head().value.t());
    return chunk;
  }

 private:
  int64_t rows_;
  Tensor memory_;
};

// Turns a chunk's d_logits into the head's gradient (added in place) and into d_hidden.
void PullBack(const Model& model, const Tensor& d_logits, const Tensor& hidden, Tensor d_hidden) {
  const Parameter& head = model.decoder.head();
  Tensor d_weight = head.gradient;
  d_weight.addmm_(d_logits.t(), hidden);
  at::mm_out(d_hidden, d_logits, head.value);
}

template <typename Work>
void ForChunks(int64_t rows, int64_t chunk, const Work& work) {
  for (int64_t first = 0; first < rows; first += chunk) {
    ThrowIfCancelled();
    work(first, std::min(chunk, rows - first));
  }
}

}  // namespace

void UseThreads(const Model& model) {
  static const int own_choice = at::get_num_threads();
  const int threads = model.threads > 0 ? model.threads : own_choice;
  if (at::get_num_threads() != threads) at::set_num_threads(threads);
}

void ForRows(int64_t rows, int64_t vocabulary, const std::function<void(int64_t, int64_t)>& work) {
  constexpr int64_t kGrain = 32768;  // elements that are worth a thread, as in libtorch's own loops
  at::parallel_for(0, rows, std::max<int64_t>(1, kGrain / vocabulary), work);
}

int64_t BatchArrays::LabelCount() const {
  int64_t count = 0;
  for (size_t i = 0; i < labels_from.size(); ++i) count += offsets[i + 1] - offsets[i] - labels_from[i];
  return count;
}

LabelledBatch Pack(const BatchArrays& arrays) {
  // The last token of a sequence predicts nothing that counts: it is a label only.
  std::vector<int32_t> tokens, labels;
  std::vector<int64_t> offsets = {0}, wanted;
  for (size_t i = 0; i < arrays.labels_from.size(); ++i) {
    const uint32_t begin = arrays.offsets[i], end = arrays.offsets[i + 1];
    for (uint32_t t = begin; t < end; ++t) {
      if (t >= begin + arrays.labels_from[i]) labels.push_back(arrays.tokens[t]);
      if (t + 1 == end) break;
      if (t + 1 >= begin + arrays.labels_from[i]) wanted.push_back(static_cast<int64_t>(tokens.size()));
      tokens.push_back(arrays.tokens[t]);
    }
    offsets.push_back(static_cast<int64_t>(tokens.size()));
  }
  return {PackedTokens::Pack(tokens, std::move(offsets), wanted), std::move(labels)};
}

Pass::Pass(std::shared_ptr<const Model> model, std::shared_ptr<const Model> reference,
           const BatchArrays& arrays)
    : model_(std::move(model)), reference_(std::move(reference)), batch_(Pack(arrays)) {
  UseThreads(*model_);
  states_ = model_->decoder.Forward(batch_.tokens, true);
  const at::NoGradGuard no_grad;
  const int64_t rows = states_.final.size(0);
  values_.resize(rows);
  log_sum_exp_.resize(rows);
  ChunkBuffer buffer(*model_, rows, reference_ ? 2 : 1);
  if (!reference_) {
    ForChunks(rows, buffer.rows(), [&](int64_t start, int64_t count) {
      const Tensor logits = buffer.Logits(*model_, states_.final.narrow(0, start, count));
      ForRows(count, logits.size(1), [&](int64_t first, int64_t last) {
        const SoulTokenRows part = RowsOf(logits, first, last);
        SoulTokenScores scores{};
        scores.log_sum_exp = log_sum_exp_.data() + start + first;
        scores.nll = values_.data() + start + first;
        scores.labels = batch_.labels.data() + start + first;
        model_->table->score_tokens(&part, &scores);
      });
    });
    return;
  }
  reference_final_ = reference_->decoder.Forward(batch_.tokens, false).final;
  reference_log_sum_exp_.resize(rows);
  ChunkBuffer reference_buffer(*model_, rows, 2);
  ForChunks(rows, buffer.rows(), [&](int64_t start, int64_t count) {
    const Tensor logits = buffer.Logits(*model_, states_.final.narrow(0, start, count));
    const Tensor other = reference_buffer.Logits(*reference_, reference_final_.narrow(0, start, count));
    ForRows(count, logits.size(1), [&](int64_t first, int64_t last) {
      const SoulTokenRows part = RowsOf(logits, first, last), other_part = RowsOf(other, first, last);
      const int64_t at = start + first;
      model_->table->score_divergence(&part, &other_part, values_.data() + at, log_sum_exp_.data() + at,
                                      reference_log_sum_exp_.data() + at);
    });
  });
}

void Pass::Backward(const std::vector<float>& weights) {
  UseThreads(*model_);
  Tensor d_final;
  {
    const at::NoGradGuard no_grad;
    const Tensor hidden = states_.final.detach();
    d_final = at::empty_like(hidden);
    ChunkBuffer buffer(*model_, hidden.size(0), reference_ ? 2 : 1);
    std::optional<ChunkBuffer> reference_buffer;
    if (reference_) reference_buffer.emplace(*model_, hidden.size(0), 2);
    ForChunks(hidden.size(0), buffer.rows(), [&](int64_t start, int64_t count) {
      const Tensor chunk = hidden.narrow(0, start, count);
      const Tensor logits = buffer.Logits(*model_, chunk);
      Tensor other;
      if (reference_) other = reference_buffer->Logits(*reference_, reference_final_.narrow(0, start, count));
      ForRows(count, logits.size(1), [&](int64_t first, int64_t last) {
        const SoulTokenRows part = RowsOf(logits, first, last);
        const int64_t at = start + first;
        if (!reference_) {
          model_->table->token_gradient(&part, batch_.labels.data() + at, weights.data() + at,
                                        log_sum_exp_.data() + at);
          return;
        }
        const SoulTokenRows other_part = RowsOf(other, first, last);
        model_->table->divergence_gradient(&part, &other_part, weights.data() + at, log_sum_exp_.data() + at,
                                           reference_log_sum_exp_.data() + at);
      });
      PullBack(*model_, logits, chunk, d_final.narrow(0, start, count));
    });
  }
  model_->decoder.Backward(batch_.tokens, std::exchange(states_, {}), d_final);
}

std::vector<float> Accumulate(const Model& model, const BatchArrays& arrays,
                              const std::vector<float>& weights, std::optional<uint64_t> sample_seed) {
  UseThreads(model);
  const LabelledBatch batch = Pack(arrays);
  HiddenStates states = model.decoder.Forward(batch.tokens, true);
  const int64_t rows = states.final.size(0);
  std::vector<float> nll(rows), log_sum_exp(rows);
  std::vector<int32_t> sampled(sample_seed ? rows : 0);
  Tensor d_final;
  {
    const at::NoGradGuard no_grad;
    const Tensor hidden = states.final.detach();
    d_final = at::empty_like(hidden);
    ChunkBuffer buffer(model, rows, 1);
    ForChunks(rows, buffer.rows(), [&](int64_t start, int64_t count) {
      const Tensor chunk = hidden.narrow(0, start, count);
      const Tensor logits = buffer.Logits(model, chunk);
      ForRows(count, logits.size(1), [&](int64_t first, int64_t last) {
        // Row by row: the gradient finds in a near cache what the score has just read.
        for (int64_t i = first; i < last; ++i) {
          const SoulTokenRows row = RowsOf(logits, i, i + 1);
          const int64_t at = start + i;
          SoulTokenScores scores{};
          scores.log_sum_exp = log_sum_exp.data() + at;
          scores.nll = nll.data() + at;
          if (sample_seed) {
            scores.sampled_labels = sampled.data() + at;
            scores.sample_seed = *sample_seed;
            scores.first_row = static_cast<uint64_t>(at);
          } else {
            scores.labels = batch.labels.data() + at;
          }
          model.table->score_tokens(&row, &scores);
          model.table->token_gradient(&row, (sample_seed ? sampled : batch.labels).data() + at,
                                      weights.data() + at, log_sum_exp.data() + at);
        }
      });
      PullBack(model, logits, chunk, d_final.narrow(0, start, count));
    });
  }
  model.decoder.Backward(batch.tokens, std::move(states), d_final);
  return nll;
}

Scores Score(const Model& model, const BatchArrays& arrays) {
  UseThreads(model);
  const LabelledBatch batch = Pack(arrays);
  const at::NoGradGuard no_grad;
  const Tensor hidden = model.decoder.Forward(batch.tokens, false).final;
  const int64_t rows = hidden.size(0);
  Scores result;
  result.log_probability.resize(rows);
  result.mean.resize(rows);
  result.variance.resize(rows);
  result.is_argmax.resize(rows);
  ChunkBuffer buffer(model, rows, 1);
  ForChunks(rows, buffer.rows(), [&](int64_t start, int64_t count) {
    const Tensor logits = buffer.Logits(model, hidden.narrow(0, start, count));
    ForRows(count, logits.size(1), [&](int64_t first, int64_t last) {
      const SoulTokenRows part = RowsOf(logits, first, last);
      const int64_t at = start + first;
      SoulTokenScores scores{};
      scores.nll = result.log_probability.data() + at;
      scores.is_argmax = result.is_argmax.data() + at;
      scores.mean_log_p = result.mean.data() + at;
      scores.variance_log_p = result.variance.data() + at;
      scores.labels = batch.labels.data() + at;
      model.table->score_tokens(&part, &scores);
    });
  });
  for (float& value : result.log_probability) value = -value;
  return result;
}

}  // namespace soul
