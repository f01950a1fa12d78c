#include "gauss_newton.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "head.h"
#include "job.h"

namespace soul {
namespace {

using at::Tensor;

// A first guess of the step may move hidden states by far more or less than is wanted.
constexpr int kMostTrials = 4;
constexpr double kCloseEnough = 4;
constexpr double kLargestCorrection = 1e3;
// Squares of elements, and of what comes of them, stay within float32.
constexpr double kSmallestDirection = 1e-12, kLargestDirection = 1e12;

double Length(const Tensor& values) {
  return values.norm().item<double>();
}

// The weights moved from where they were, until it ends.
class MovedWeights {
 public:
  explicit MovedWeights(const Direction& along) : along_(along) { along_.scratch.copy_(along_.values); }
  MovedWeights(const MovedWeights&) = delete;
  MovedWeights& operator=(const MovedWeights&) = delete;
  ~MovedWeights() {
    try {
      along_.values.copy_(along_.scratch);
    } catch (...) {
      // A device that has failed: what lies there is lost with it.
    }
  }

  void MoveBy(double step) {
    Tensor values = along_.values;
    at::add_out(values, along_.scratch, along_.direction, step);
  }

 private:
  const Direction& along_;
};

// The derivative of the final hidden states along the direction, by a central difference. Rounding of float32
// is divided by the step and the curvature of the states is multiplied by its square, so the step is sought
// that moves the states themselves by a given share, whatever part of the weights the direction is about.
Tensor HiddenDerivative(const Model& model, const PackedTokens& tokens, const Direction& along) {
  const double length = Length(along.direction);
  MovedWeights weights(along);
  // Adapters that are all 0 have no length to go by.
  const double own_length = Length(along.scratch);
  double step = along.change * (own_length > 0 ? own_length : 1) / length;
  for (int trial = 1;; ++trial) {
    weights.MoveBy(step);
    Tensor above = model.decoder.Forward(tokens, Graph::kNone).final;
    const double size = Length(above);
    weights.MoveBy(-step);
    above.sub_(model.decoder.Forward(tokens, Graph::kNone).final);
    const double moved = Length(above) / (2 * size), correction = along.change / moved;
    // Where nothing moves, the direction is about weights that these tokens do not see, or about the head
    // alone.
    const bool settled = moved == 0 || !std::isfinite(correction) ||
                         (correction <= kCloseEnough && correction >= 1 / kCloseEnough);
    if (settled || trial == kMostTrials) return above.div_(2 * step);
    step *= std::clamp(correction, 1 / kLargestCorrection, kLargestCorrection);
  }
}

// The part of a direction that lies where a parameter does.
Tensor PartOf(const Direction& along, const Parameter& parameter) {
  const int64_t offset = parameter.value.const_data_ptr<float>() - along.values.const_data_ptr<float>();
  return along.direction.as_strided(parameter.value.sizes(), parameter.value.strides(), offset);
}

// Label tokens of a batch, in order.
struct LabelTokens {
  Tensor labels;   // int32
  Tensor indexes;  // the same as int64
  Tensor weights;
  Tensor hidden, d_hidden;  // [label tokens, hidden]

  LabelTokens Part(int64_t first, int64_t count) const {
    const auto rows = [&](const Tensor& of) { return of.narrow(0, first, count); };
    return {rows(labels), rows(indexes), rows(weights), rows(hidden), rows(d_hidden)};
  }
};

// weight * (diag(p) - p p^T) J v by the logits, of a chunk of label tokens at a time.
class LogitsProduct {
 public:
  LogitsProduct(const Model& model, const Direction& along, int64_t rows)
      : model_(model), head_(model.decoder.head()) {
    const int64_t vocabulary = model.decoder.vocabulary(), buffers = head_.softcap > 0 ? 4 : 2;
    const auto row_bytes = vocabulary * static_cast<int64_t>(sizeof(float));
    rows_ = std::clamp<int64_t>(model.logits_memory / (row_bytes * buffers), 1, rows);
    logits_ = at::empty({rows_, vocabulary}, model.place().floats());
    derivative_ = at::empty_like(logits_);
    log_sum_exp_ = at::empty({rows_}, model.place().floats());
    ones_ = at::ones_like(log_sum_exp_);
    if (head_.weight.trains()) head_direction_ = PartOf(along, head_.weight);
    if (head_.bias.trains()) bias_direction_ = PartOf(along, head_.bias);
  }

  int64_t rows() const { return rows_; }

  // Of the logits before a cap.
  Tensor Of(const LabelTokens& tokens) {
    const int64_t count = tokens.hidden.size(0);
    const Tensor logits = logits_.narrow(0, 0, count);
    LogitsInto(logits, tokens.hidden, head_);
    Tensor product = derivative_.narrow(0, 0, count);
    at::mm_out(product, tokens.d_hidden, head_.weight.value.t());
    if (head_direction_.defined()) product.addmm_(tokens.hidden, head_direction_.t());
    if (bias_direction_.defined()) product.add_(bias_direction_);
    Tensor capped;
    if (head_.softcap > 0) {
      capped = logits.clone();
      PullBackCap(product, capped.clone(), head_);
    }
    // Whatever is added to all of u, (diag(p) - p p^T) u is the same. With 0 at the label little of it is
    // lost where the model is all but sure of the label, and p . u needs no p of the label, nor has q = p -
    // onehot(label).
    const Tensor at_label = tokens.indexes.unsqueeze(1);
    product.sub_(product.gather(1, at_label));
    const Tensor& q = SubtractLabels(logits, tokens.labels);
    const Tensor mean = at::bmm(q.unsqueeze(1), product.unsqueeze(2)).view({count, 1});
    product.sub_(mean).mul_(q).scatter_add_(1, at_label, mean.neg()).mul_(tokens.weights.unsqueeze(1));
    if (head_.softcap > 0) PullBackCap(product, std::move(capped), head_);
    return product;
  }

 private:
  // softmax(logits) - onehot(label), in place.
  const Tensor& SubtractLabels(const Tensor& logits, const Tensor& labels) {
    SoulTokenScores scores{};
    scores.log_sum_exp = log_sum_exp_.data_ptr<float>();
    scores.labels = labels.data_ptr<int32_t>();
    model_.losses.ScoreAndGradient(logits, scores, ones_.data_ptr<float>());
    return logits;
  }

  const Model& model_;
  const OutputHead& head_;
  int64_t rows_;
  Tensor logits_, derivative_, log_sum_exp_, ones_, head_direction_, bias_direction_;
};

}  // namespace

void AddGaussNewtonProduct(const Model& model, const BatchArrays& arrays, const std::vector<float>& weights,
                           const Direction& along) {
  UseThreads(model);
  const LabelledBatch batch = Pack(arrays, model.place());
  Tensor d_hidden;
  {
    const at::NoGradGuard no_grad;
    const double largest =
        at::linalg_vector_norm(along.direction, std::numeric_limits<double>::infinity()).item<double>();
    // Such a direction has no step, and its product is 0.
    if (largest == 0) return;
    if (!(largest >= kSmallestDirection && largest <= kLargestDirection)) {
      throw Failure(
          "SOUL_NON_FINITE",
          "the largest element of the direction must be from 1e-12 to 1e12, beyond which float32 loses the "
          "product; scale it: the product scales with it");
    }
    d_hidden = HiddenDerivative(model, batch.tokens, along);
  }
  HiddenStates states = model.decoder.Forward(batch.tokens, model.graph);
  const Tensor d_final = at::empty_like(d_hidden);
  {
    const at::NoGradGuard no_grad;
    const LabelTokens tokens{batch.labels, batch.labels.to(at::kLong), Upload(weights, model.place()),
                             states.final, d_hidden};
    const int64_t rows = d_hidden.size(0);
    LogitsProduct product(model, along, rows);
    for (int64_t first = 0; first < rows; first += product.rows()) {
      ThrowIfCancelled();
      const LabelTokens part = tokens.Part(first, std::min(product.rows(), rows - first));
      PullBackHead(product.Of(part), part.hidden, model.decoder.head(),
                   d_final.narrow(0, first, part.hidden.size(0)));
    }
  }
  model.decoder.Backward(batch.tokens, std::move(states), d_final);
}

}  // namespace soul
