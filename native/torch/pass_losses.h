// What the values of a pass are: one figure for each row of logits, and its gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "token_losses.h"

namespace soul {

// One pass's. Chunks of logits are scored once and pulled back once; `start` is a chunk's first row. The
// reference's logits are undefined where the pass has none.
class PassLoss {
 public:
  virtual ~PassLoss() = default;

  // [rows] float32, complete when all chunks are scored.
  const at::Tensor& values() const { return values_; }

  virtual void Score(const at::Tensor& logits, const at::Tensor& reference, int64_t start) = 0;
  // logits <- weight * d value / d logits.
  virtual void Gradient(const at::Tensor& logits, const at::Tensor& reference, const at::Tensor& weights,
                        int64_t start) = 0;

 protected:
  PassLoss(const TokenLosses& losses, const at::Tensor& labels, const Place& place);

  const TokenLosses& losses_;
  at::Tensor labels_;  // [rows] int32
  at::Tensor values_, log_sum_exp_;
};

// What a pass is asked for. Without a target its values are -log p(label), or with a reference
// KL(reference || model).
struct PassQuantity {
  bool is_target = false;  // the cross-entropy to softmax(logits + shift * onehot(label))
  double shift = 0;
};

// `losses` must outlive it.
std::unique_ptr<PassLoss> MakeLoss(const PassQuantity& quantity, bool has_reference,
                                   const TokenLosses& losses, const at::Tensor& labels, const Place& place);

}  // namespace soul
