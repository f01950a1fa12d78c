// How far the hidden states of one layer are from a target, and back: only the layers up to it are run.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "passes.h"
#include "pending_pass.h"

namespace soul {

// Where hidden states are drawn to: a vector [hidden], or the states that a reference has there.
struct ActivationTarget {
  int64_t layer;  // from 0
  std::vector<float> vector;
  std::shared_ptr<const Model> reference;  // null: the vector
};

// Its values are |h - target|^2 / hidden of the layer's output h at the position that predicts each label
// token, in float32 whatever the weights are held in. A target is a constant.
class ActivationPass : public PendingPass {
 public:
  ActivationPass(std::shared_ptr<const Model> model, const ActivationTarget& target,
                 const BatchArrays& arrays);

  const at::Tensor& values() const override { return host_values_; }
  int64_t graph_bytes() const override {
    return model_->decoder.GraphBytes(batch_.tokens.rows(), model_->graph, layer_ + 1);
  }
  bool has_labels() const override { return false; }
  void Backward(const std::vector<float>& weights, std::optional<uint64_t> sample_seed, bool keep) override;

 private:
  std::shared_ptr<const Model> model_;
  int64_t layer_;
  LabelledBatch batch_;
  HiddenStates states_;
  at::Tensor difference_;  // [label tokens, hidden] float32
  at::Tensor host_values_;
};

}  // namespace soul
