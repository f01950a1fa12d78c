#include "passes.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <utility>

#include "logits_chunks.h"

namespace soul {

using at::Tensor;

namespace {

// Score and gradient of each chunk together, by the labels given or, where there is a seed, drawn. Fills
// `nll`, adds the head's gradient, and gives that of the hidden states.
Tensor ScoreAndPullBack(const Model& model, const Tensor& hidden, const Tensor& labels, const Tensor& weights,
                        std::optional<uint64_t> sample_seed, const Tensor& nll) {
  const at::NoGradGuard no_grad;
  const int64_t rows = hidden.size(0);
  const Tensor log_sum_exp = at::empty_like(nll);
  Tensor sampled;
  if (sample_seed) sampled = at::empty_like(labels);
  Tensor d_final = at::empty_like(hidden);
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
      scores.labels = From<int32_t>(labels, start);
    }
    model.losses.ScoreAndGradient(logits, scores, From<float>(weights, start));
    buffer.PullBack(logits, part, d_final.narrow(0, start, count));
  });
  return d_final;
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

LabelledBatch Pack(const BatchArrays& arrays, const Place& place) {
  std::vector<int32_t> tokens, labels;
  std::vector<int64_t> offsets = {0}, wanted;
  auto label = arrays.label_positions.begin();
  for (size_t i = 0; i + 1 < arrays.offsets.size(); ++i) {
    const uint32_t begin = arrays.offsets[i], end = arrays.offsets[i + 1];
    const auto first_row = static_cast<int64_t>(tokens.size());
    // From a sequence's last label on nothing is predicted that counts.
    uint32_t last = begin;
    for (; label != arrays.label_positions.end() && *label < end; ++label) {
      last = *label;
      labels.push_back(arrays.tokens[last]);
      wanted.push_back(first_row + last - 1 - begin);
    }
    tokens.insert(tokens.end(), arrays.tokens.begin() + begin, arrays.tokens.begin() + last);
    offsets.push_back(static_cast<int64_t>(tokens.size()));
  }
  return {PackedTokens::Pack(tokens, std::move(offsets), wanted, place), Upload(labels, place)};
}

Pass::Pass(std::shared_ptr<const Model> model, std::shared_ptr<const Model> reference,
           const PassQuantity& quantity, const BatchArrays& arrays)
    : model_(std::move(model)),
      reference_(std::move(reference)),
      has_labels_(!reference_ && !quantity.is_target),
      batch_(Pack(arrays, model_->place())),
      loss_(MakeLoss(quantity, reference_ != nullptr, model_->losses, batch_.labels, model_->place())) {
  UseThreads(*model_);
  const at::NoGradGuard no_grad;
  // First, while no graph lies beside what it takes.
  if (reference_) reference_final_ = reference_->decoder.Forward(batch_.tokens, Graph::kNone).final;
  states_ = model_->decoder.Forward(batch_.tokens, model_->graph);
  ForLogits(false, [&](int64_t start, const Tensor&, const Tensor& logits, const Tensor& reference_logits,
                       ChunkBuffer&) { loss_->Score(logits, reference_logits, start); });
  host_values_ = ToHost(loss_->values());
}

template <typename Work>
void Pass::ForLogits(bool pull_back, const Work& work) const {
  const Tensor& hidden = states_.final;
  const int64_t rows = hidden.size(0);
  ChunkBuffer buffer(*model_, rows, reference_ ? 2 : 1);
  std::optional<ChunkBuffer> reference_buffer;
  if (reference_) reference_buffer.emplace(*reference_, rows, 2);
  const int64_t chunk = reference_ ? std::min(buffer.rows(), reference_buffer->rows()) : buffer.rows();
  ForChunks(rows, chunk, [&](int64_t start, int64_t count) {
    const Tensor part = hidden.narrow(0, start, count);
    const Tensor logits = buffer.Logits(part, pull_back);
    Tensor reference_logits;
    if (reference_) reference_logits = reference_buffer->Logits(reference_final_.narrow(0, start, count));
    work(start, part, logits, reference_logits, buffer);
  });
}

Tensor Pass::PullBackHead(const Tensor& weights) const {
  const at::NoGradGuard no_grad;
  Tensor d_final = at::empty_like(states_.final);
  ForLogits(true, [&](int64_t start, const Tensor& hidden, const Tensor& logits,
                      const Tensor& reference_logits, ChunkBuffer& buffer) {
    loss_->Gradient(logits, reference_logits, weights, start);
    buffer.PullBack(logits, hidden, d_final.narrow(0, start, hidden.size(0)));
  });
  return d_final;
}

void Pass::Backward(const std::vector<float>& weights, std::optional<uint64_t> sample_seed, bool keep) {
  UseThreads(*model_);
  const Tensor placed_weights = Upload(weights, model_->place());
  const Tensor d_final = sample_seed ? ScoreAndPullBack(*model_, states_.final, batch_.labels, placed_weights,
                                                        sample_seed, at::empty_like(loss_->values()))
                                     : PullBackHead(placed_weights);
  model_->decoder.Backward(batch_.tokens, keep ? states_ : std::exchange(states_, {}), d_final, keep);
}

Tensor Accumulate(const Model& model, const BatchArrays& arrays, const std::vector<float>& weights,
                  std::optional<uint64_t> sample_seed) {
  UseThreads(model);
  const LabelledBatch batch = Pack(arrays, model.place());
  const Tensor placed_weights = Upload(weights, model.place());
  HiddenStates states = model.decoder.Forward(batch.tokens, model.graph);
  const Tensor nll = at::empty({states.final.size(0)}, model.place().floats());
  const Tensor d_final =
      ScoreAndPullBack(model, states.final, batch.labels, placed_weights, sample_seed, nll);
  model.decoder.Backward(batch.tokens, std::move(states), d_final);
  return ToHost(nll);
}

Scores Score(const Model& model, const BatchArrays& arrays, int64_t layer) {
  UseThreads(model);
  const LabelledBatch batch = Pack(arrays, model.place());
  const at::NoGradGuard no_grad;
  const Tensor hidden = model.decoder.ForwardAsLast(layer, batch.tokens).final;
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
