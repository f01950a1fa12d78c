// The token losses of the first addon on rows of logits, float32 or bfloat16, wherever they lie. On the CPU
// libtorch's threads share the rows; on a device a call is enqueued on libtorch's stream, and every pointer
// is one of the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "../runtime/interface.h"
#include "place.h"

namespace soul {

// KL(reference || model) of each row, and both log-sum-exps.
struct DivergenceFigures {
  float* divergence;
  float* log_sum_exp;
  float* reference_log_sum_exp;
};

class TokenLosses {
 public:
  TokenLosses(const SoulInterface& table, const Place& place) : table_(&table), place_(place) {}

  const SoulInterface& table() const { return *table_; }

  // In all of these row i of `logits` belongs to entry i of the arrays.
  void Score(const at::Tensor& logits, const SoulTokenScores& scores) const;
  // logits <- weight * (softmax(logits) - onehot(label)), from the log_sum_exp that Score gave.
  void Gradient(const at::Tensor& logits, const int32_t* labels, const float* weights,
                const float* log_sum_exp) const;
  // Score, then Gradient by the labels of `scores`, given or sampled.
  void ScoreAndGradient(const at::Tensor& logits, const SoulTokenScores& scores, const float* weights) const;
  void ScoreDivergence(const at::Tensor& logits, const at::Tensor& reference,
                       const DivergenceFigures& figures) const;
  // logits <- weight * (softmax(logits) - softmax(reference)).
  void DivergenceGradient(const at::Tensor& logits, const at::Tensor& reference, const float* weights,
                          const DivergenceFigures& figures) const;
  // The cross-entropy to targets, which are the rows' own where the reference is undefined.
  void ScoreTarget(const at::Tensor& logits, const at::Tensor& reference, const SoulTokenTarget& target,
                   float* cross_entropy) const;
  // logits <- weight * (softmax(logits) - target), from what ScoreTarget left.
  void TargetGradient(const at::Tensor& logits, const at::Tensor& reference, const SoulTokenTarget& target,
                      const float* weights) const;

 private:
  void* Stream() const;

  const SoulInterface* table_;
  Place place_;
};

// Rows [first, last) of logits that lie without gaps.
SoulTokenRows RowsOf(const at::Tensor& logits, int64_t first, int64_t last);

// Calls `work(first, last)` on disjoint ranges of rows on libtorch's threads.
void ForRows(int64_t rows, int64_t vocabulary, const std::function<void(int64_t, int64_t)>& work);

}  // namespace soul
