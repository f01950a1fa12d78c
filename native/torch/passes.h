// From hidden states to one figure per label token, and back: the logits exist a chunk at a time, never as a
// whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model.h"
#include "pass_losses.h"
#include "pending_pass.h"

namespace soul {

// A batch as the decoder wants it, with its label tokens sequence after sequence: [label tokens] int32.
struct LabelledBatch {
  PackedTokens tokens;
  at::Tensor labels;
};

// Batch arrays as JavaScript gives them, already checked.
struct BatchArrays {
  std::vector<int32_t> tokens;
  std::vector<uint32_t> offsets;
  std::vector<uint32_t> label_positions;  // indices into tokens, in order; of each sequence at least one

  int64_t LabelCount() const { return static_cast<int64_t>(label_positions.size()); }
};

LabelledBatch Pack(const BatchArrays& arrays, const Place& place);

// The same numbers on the CPU; a copy from a device is there when the device has come to it.
at::Tensor ToHost(const at::Tensor& values);

// On the CPU, one per label token.
struct Scores {
  at::Tensor log_probability, mean, variance;  // float32
  at::Tensor is_argmax;                        // uint8
};

// A forward pass that can be pulled back, and again where it is kept.
class Pass : public PendingPass {
 public:
  Pass(std::shared_ptr<const Model> model, std::shared_ptr<const Model> reference,
       const PassQuantity& quantity, const BatchArrays& arrays);

  const at::Tensor& values() const override { return host_values_; }
  bool has_labels() const override { return has_labels_; }
  int64_t graph_bytes() const override {
    return model_->decoder.GraphBytes(batch_.tokens.rows(), model_->graph);
  }
  void Backward(const std::vector<float>& weights, std::optional<uint64_t> sample_seed, bool keep) override;

 private:
  // The gradient of the final hidden states.
  at::Tensor PullBackHead(const at::Tensor& weights) const;
  // Calls work(start, hidden, logits, reference_logits, buffer) for chunks of rows.
  template <typename Work>
  void ForLogits(bool pull_back, const Work& work) const;

  std::shared_ptr<const Model> model_, reference_;
  bool has_labels_;
  LabelledBatch batch_;
  std::unique_ptr<PassLoss> loss_;
  HiddenStates states_;
  at::Tensor reference_final_, host_values_;
};

// Score and gradient of each chunk together; labels are drawn from the model where a seed is given. The
// values, on the CPU.
at::Tensor Accumulate(const Model& model, const BatchArrays& arrays, const std::vector<float>& weights,
                      std::optional<uint64_t> sample_seed);

// With logits read from the hidden states after layer `layer`, counted from 0, through the final norm.
Scores Score(const Model& model, const BatchArrays& arrays, int64_t layer);

// Applies the model's thread count on this thread.
void UseThreads(const Model& model);

}  // namespace soul
