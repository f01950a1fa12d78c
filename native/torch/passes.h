// From hidden states to one figure per label token, and back: the logits exist a chunk at a time, never as a
// whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "decoder.h"
#include "token_losses.h"

namespace soul {

struct Model {
  Decoder decoder;
  TokenLosses losses;
  int threads;            // 0: libtorch's own choice
  int64_t logits_memory;  // bytes that the chunk buffers may take
  Graph graph;            // what a pass keeps that can be pulled back

  const Place& place() const { return decoder.place(); }
};

// A batch as the decoder wants it, with its label tokens sequence after sequence: [label tokens] int32.
struct LabelledBatch {
  PackedTokens tokens;
  at::Tensor labels;
};

// Batch arrays as JavaScript gives them, already checked.
struct BatchArrays {
  std::vector<int32_t> tokens;
  std::vector<uint32_t> offsets;
  std::vector<uint32_t> labels_from;

  int64_t LabelCount() const;
};

LabelledBatch Pack(const BatchArrays& arrays, const Place& place);

// The same numbers on the CPU; a copy from a device is there when the device has come to it.
at::Tensor ToHost(const at::Tensor& values);

// On the CPU, one per label token.
struct Scores {
  at::Tensor log_probability, mean, variance;  // float32
  at::Tensor is_argmax;                        // uint8
};

// A forward pass that can be pulled back once. Without a reference its values are -log p(label), with one
// KL(reference || model).
class Pass {
 public:
  Pass(std::shared_ptr<const Model> model, std::shared_ptr<const Model> reference, const BatchArrays& arrays);

  // On the CPU.
  const at::Tensor& values() const { return host_values_; }
  int64_t graph_bytes() const { return model_->decoder.GraphBytes(batch_.tokens.rows(), model_->graph); }
  void Backward(const std::vector<float>& weights);

 private:
  // Where the figures of the rows from `first` on lie.
  DivergenceFigures FiguresFrom(int64_t first) const;

  std::shared_ptr<const Model> model_, reference_;
  LabelledBatch batch_;
  HiddenStates states_;
  at::Tensor reference_final_;
  at::Tensor values_, log_sum_exp_, reference_log_sum_exp_, host_values_;
};

// Score and gradient of each chunk together; labels are drawn from the model where a seed is given. The
// values, on the CPU.
at::Tensor Accumulate(const Model& model, const BatchArrays& arrays, const std::vector<float>& weights,
                      std::optional<uint64_t> sample_seed);

Scores Score(const Model& model, const BatchArrays& arrays);

// Applies the model's thread count on this thread.
void UseThreads(const Model& model);

}  // namespace soul
