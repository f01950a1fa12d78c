#include "pass_losses.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "logits_chunks.h"

namespace soul {
namespace {

using at::Tensor;

// -log p(label).
class LabelLoss : public PassLoss {
 public:
  LabelLoss(const TokenLosses& losses, const Tensor& labels, const Place& place)
      : PassLoss(losses, labels, place) {}

  void Score(const Tensor& logits, const Tensor&, int64_t start) override {
    SoulTokenScores scores{};
    scores.log_sum_exp = From<float>(log_sum_exp_, start);
    scores.nll = From<float>(values_, start);
    scores.labels = From<int32_t>(labels_, start);
    losses_.Score(logits, scores);
  }

  void Gradient(const Tensor& logits, const Tensor&, const Tensor& weights, int64_t start) override {
    losses_.Gradient(logits, From<int32_t>(labels_, start), From<float>(weights, start),
                     From<float>(log_sum_exp_, start));
  }
};

// KL(reference || model).
class DivergenceLoss : public PassLoss {
 public:
  DivergenceLoss(const TokenLosses& losses, const Tensor& labels, const Place& place)
      : PassLoss(losses, labels, place), reference_log_sum_exp_(at::empty_like(values_)) {}

  void Score(const Tensor& logits, const Tensor& reference, int64_t start) override {
    losses_.ScoreDivergence(logits, reference, FiguresFrom(start));
  }

  void Gradient(const Tensor& logits, const Tensor& reference, const Tensor& weights,
                int64_t start) override {
    losses_.DivergenceGradient(logits, reference, From<float>(weights, start), FiguresFrom(start));
  }

 private:
  DivergenceFigures FiguresFrom(int64_t start) const {
    return {From<float>(values_, start), From<float>(log_sum_exp_, start),
            From<float>(reference_log_sum_exp_, start)};
  }

  Tensor reference_log_sum_exp_;
};

// The cross-entropy to the softmax of the reference's logits, or of the model's own, with the label's
// shifted.
class TargetLoss : public PassLoss {
 public:
  TargetLoss(const TokenLosses& losses, const Tensor& labels, const Place& place, double shift, bool own)
      : PassLoss(losses, labels, place), shift_(shift), target_log_sum_exp_(at::empty_like(values_)) {
    if (own) label_probability_ = at::empty_like(values_);
  }

  void Score(const Tensor& logits, const Tensor& reference, int64_t start) override {
    losses_.ScoreTarget(logits, reference, TargetFrom(start), From<float>(values_, start));
  }

  void Gradient(const Tensor& logits, const Tensor& reference, const Tensor& weights,
                int64_t start) override {
    losses_.TargetGradient(logits, reference, TargetFrom(start), From<float>(weights, start));
  }

 private:
  SoulTokenTarget TargetFrom(int64_t start) const {
    return {From<int32_t>(labels_, start), shift_, From<float>(log_sum_exp_, start),
            From<float>(target_log_sum_exp_, start), From<float>(label_probability_, start)};
  }

  double shift_;
  Tensor target_log_sum_exp_, label_probability_;
};

}  // namespace

PassLoss::PassLoss(const TokenLosses& losses, const Tensor& labels, const Place& place)
    : losses_(losses),
      labels_(labels),
      values_(at::empty({labels.size(0)}, place.floats())),
      log_sum_exp_(at::empty_like(values_)) {}

std::unique_ptr<PassLoss> MakeLoss(const PassQuantity& quantity, bool has_reference,
                                   const TokenLosses& losses, const Tensor& labels, const Place& place) {
  if (quantity.is_target) {
    return std::make_unique<TargetLoss>(losses, labels, place, quantity.shift, !has_reference);
  }
  if (has_reference) return std::make_unique<DivergenceLoss>(losses, labels, place);
  return std::make_unique<LabelLoss>(losses, labels, place);
}

}  // namespace soul
