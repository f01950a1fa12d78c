#include "passes.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <utility>

#include "head.h"
#include "job.h"

namespace soul {
namespace {

using at::Tensor;

// Buffers for the logits of at most as many rows as the model's memory setting allows.
class ChunkBuffer {
 public:
  ChunkBuffer(const Model& model, int64_t rows, int64_t buffers) : model_(model) {
    const Place& place = model.place();
    const int64_t vocabulary = model.decoder.vocabulary();
    const auto row_bytes = vocabulary * static_cast<int64_t>(at::elementSize(place.dtype));
    const int64_t copies = model.decoder.head().softcap > 0 ? 2 * buffers : buffers;
    rows_ = std::clamp<int64_t>(model.logits_memory / (row_bytes * copies), 1, rows);
    logits_ = at::empty({rows_, vocabulary}, place.weights());
  }

  int64_t rows() const { return rows_; }

  // In the dtype of the weights, as the losses read them; to be pulled back where `pull_back` says so.
  Tensor Logits(const Tensor& hidden, bool pull_back = false) {
    const OutputHead& head = model_.decoder.head();
    const Tensor logits = logits_.narrow(0, 0, hidden.size(0));
    LogitsInto(logits, hidden, head);
    if (pull_back && head.softcap > 0) capped_ = logits.clone();
    return logits;
  }

  // Turns d_logits, in place of the logits, into the head's gradient (added in place) and into d_hidden.
  void PullBack(const Tensor& d_logits, const Tensor& hidden, Tensor d_hidden) {
    const OutputHead& head = model_.decoder.head();
    if (head.softcap > 0) PullBackCap(d_logits, capped_, head);
    Tensor d_weight = head.weight.gradient, d_bias = head.bias.gradient;
    d_weight.addmm_(d_logits.t(), hidden);
    if (d_bias.defined()) d_bias.add_(d_logits.sum(0, false, at::kFloat));
    at::mm_out(d_hidden, d_logits, head.weight.value);
  }

 private:
  const Model& model_;
  int64_t rows_;
  Tensor logits_;
  Tensor capped_;  // the logits that are to be pulled back, where the head caps them
};

template <typename Work>
void ForChunks(int64_t rows, int64_t chunk, const Work& work) {
  for (int64_t first = 0; first < rows; first += chunk) {
    ThrowIfCancelled();
    work(first, std::min(chunk, rows - first));
  }
}

template <typename Element>
Element* From(const Tensor& array, int64_t first) {
  return array.defined() ? array.data_ptr<Element>() + first : nullptr;
}

}  // namespace

void UseThreads(const Model& model) {
  static const int own_choice = at::get_num_threads();
  const int threads = model.threads > 0 ? model.threads : own_choice;
  if (at::get_num_threads() != threads) at::set_num_threads(threads);
}

Tensor ToHost(const Tensor& values) {
  if (values.device().is_cpu()) return values;
  Tensor host = at::empty(values.sizes(), at::TensorOptions(values.scalar_type()).pinned_memory(true));
  return host.copy_(values, /*non_blocking=*/true);
}

int64_t BatchArrays::LabelCount() const {
  int64_t count = 0;
  for (size_t i = 0; i < labels_from.size(); ++i) count += offsets[i + 1] - offsets[i] - labels_from[i];
  return count;
}

LabelledBatch Pack(const BatchArrays& arrays, const Place& place) {
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
  return {PackedTokens::Pack(tokens, std::move(offsets), wanted, place), Upload(labels, place)};
}

Pass::Pass(std::shared_ptr<const Model> model, std::shared_ptr<const Model> reference,
           const BatchArrays& arrays)
    : model_(std::move(model)), reference_(std::move(reference)), batch_(Pack(arrays, model_->place())) {
  UseThreads(*model_);
  states_ = model_->decoder.Forward(batch_.tokens, model_->graph);
  const at::NoGradGuard no_grad;
  const int64_t rows = states_.final.size(0);
  values_ = at::empty({rows}, model_->place().floats());
  log_sum_exp_ = at::empty_like(values_);
  ChunkBuffer buffer(*model_, rows, reference_ ? 2 : 1);
  if (!reference_) {
    ForChunks(rows, buffer.rows(), [&](int64_t start, int64_t count) {
      SoulTokenScores scores{};
      scores.log_sum_exp = From<float>(log_sum_exp_, start);
      scores.nll = From<float>(values_, start);
      scores.labels = From<int32_t>(batch_.labels, start);
      model_->losses.Score(buffer.Logits(states_.final.narrow(0, start, count)), scores);
    });
  } else {
    reference_final_ = reference_->decoder.Forward(batch_.tokens, Graph::kNone).final;
    reference_log_sum_exp_ = at::empty_like(values_);
    ChunkBuffer reference_buffer(*reference_, rows, 2);
    ForChunks(rows, std::min(buffer.rows(), reference_buffer.rows()), [&](int64_t start, int64_t count) {
      model_->losses.ScoreDivergence(buffer.Logits(states_.final.narrow(0, start, count)),
                                     reference_buffer.Logits(reference_final_.narrow(0, start, count)),
                                     FiguresFrom(start));
    });
  }
  host_values_ = ToHost(values_);
}

DivergenceFigures Pass::FiguresFrom(int64_t first) const {
  return {From<float>(values_, first), From<float>(log_sum_exp_, first),
          From<float>(reference_log_sum_exp_, first)};
}

void Pass::Backward(const std::vector<float>& weights) {
  UseThreads(*model_);
  const Tensor placed_weights = Upload(weights, model_->place());
  Tensor d_final;
  {
    const at::NoGradGuard no_grad;
    const Tensor& hidden = states_.final;
    const int64_t rows = hidden.size(0);
    d_final = at::empty_like(hidden);
    ChunkBuffer buffer(*model_, rows, reference_ ? 2 : 1);
    std::optional<ChunkBuffer> reference_buffer;
    if (reference_) reference_buffer.emplace(*reference_, rows, 2);
    const int64_t chunk = reference_ ? std::min(buffer.rows(), reference_buffer->rows()) : buffer.rows();
    ForChunks(rows, chunk, [&](int64_t start, int64_t count) {
      const Tensor part = hidden.narrow(0, start, count);
      const Tensor logits = buffer.Logits(part, true);
      if (reference_) {
        const Tensor other = reference_buffer->Logits(reference_final_.narrow(0, start, count));
        model_->losses.DivergenceGradient(logits, other, From<float>(placed_weights, start),
                                          FiguresFrom(start));
      } else {
        model_->losses.Gradient(logits, From<int32_t>(batch_.labels, start),
                                From<float>(placed_weights, start), From<float>(log_sum_exp_, start));
      }
      buffer.PullBack(logits, part, d_final.narrow(0, start, count));
    });
  }
  model_->decoder.Backward(batch_.tokens, std::exchange(states_, {}), d_final);
}

Tensor Accumulate(const Model& model, const BatchArrays& arrays, const std::vector<float>& weights,
                  std::optional<uint64_t> sample_seed) {
  UseThreads(model);
  const LabelledBatch batch = Pack(arrays, model.place());
  const Tensor placed_weights = Upload(weights, model.place());
  HiddenStates states = model.decoder.Forward(batch.tokens, model.graph);
  const int64_t rows = states.final.size(0);
  const Tensor nll = at::empty({rows}, model.place().floats()), log_sum_exp = at::empty_like(nll);
  Tensor sampled;
  if (sample_seed) sampled = at::empty_like(batch.labels);
  Tensor d_final;
  {
    const at::NoGradGuard no_grad;
    const Tensor& hidden = states.final;
    d_final = at::empty_like(hidden);
    ChunkBuffer buffer(model, rows, 1);
    ForChunks(rows, buffer.rows(), [&](int64_t start, int64_t count) {
      const Tensor part = hidden.narrow(0, start, count);
      const Tensor logits = buffer.Logits(part, true);
      SoulTokenScores scores{};
      scores.log_sum_exp = From<float>(log_sum_exp, start);
      scores.nll = From<float>(nll, start);
      if (sample_seed) {
        scores.sampled_labels = From<int32_t>(sampled, start);
        scores.sample_seed = *sample_seed;
        scores.first_row = static_cast<uint64_t>(start);
      } else {
        scores.labels = From<int32_t>(batch.labels, start);
      }
      model.losses.ScoreAndGradient(logits, scores, From<float>(placed_weights, start));
      buffer.PullBack(logits, part, d_final.narrow(0, start, count));
    });
  }
  model.decoder.Backward(batch.tokens, std::move(states), d_final);
  return ToHost(nll);
}

Scores Score(const Model& model, const BatchArrays& arrays) {
  UseThreads(model);
  const LabelledBatch batch = Pack(arrays, model.place());
  const at::NoGradGuard no_grad;
  const Tensor hidden = model.decoder.Forward(batch.tokens, Graph::kNone).final;
  const int64_t rows = hidden.size(0);
  const Tensor nll = at::empty({rows}, model.place().floats());
  const Tensor mean = at::empty_like(nll), variance = at::empty_like(nll);
  const Tensor is_argmax = at::empty({rows}, nll.options().dtype(at::kByte));
  ChunkBuffer buffer(model, rows, 1);
  ForChunks(rows, buffer.rows(), [&](int64_t start, int64_t count) {
    SoulTokenScores scores{};
    scores.nll = From<float>(nll, start);
    scores.is_argmax = From<uint8_t>(is_argmax, start);
    scores.mean_log_p = From<float>(mean, start);
    scores.variance_log_p = From<float>(variance, start);
    scores.labels = From<int32_t>(batch.labels, start);
    model.losses.Score(buffer.Logits(hidden.narrow(0, start, count)), scores);
  });
  return {ToHost(nll.neg()), ToHost(mean), ToHost(variance), ToHost(is_argmax)};
}

}  // namespace soul
