// From hidden states to one figure per label token, and back: the logits exist a chunk at a time, never as a
// whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "../runtime/interface.h"
#include "decoder.h"

namespace soul {

struct Model {
  Decoder decoder;
  const SoulInterface* table;
  int threads;            // 0: libtorch's own choice
  int64_t logits_memory;  // bytes that the chunk buffers may take
};

// A batch as the decoder wants it, with its label tokens sequence after sequence.
struct LabelledBatch {
  PackedTokens tokens;
  std::vector<int32_t> labels;
};

// Batch arrays as JavaScript gives them, already checked.
struct BatchArrays {
  std::vector<int32_t> tokens;
  std::vector<uint32_t> offsets;
  std::vector<uint32_t> labels_from;

  int64_t LabelCount() const;
};

LabelledBatch Pack(const BatchArrays& arrays);

struct Scores {
  std::vector<float> log_probability, mean, variance;
  std::vector<uint8_t> is_argmax;
};

// A forward pass that can be pulled back once. Without a reference its values are -log p(label), with one
// KL(reference || model).
class Pass {
 public:
  Pass(std::shared_ptr<const Model> model, std::shared_ptr<const Model> reference, const BatchArrays& arrays);

  const std::vector<float>& values() const { return values_; }
  int64_t graph_bytes() const { return model_->decoder.GraphBytes(batch_.tokens.tokens.size(0)); }
  void Backward(const std::vector<float>& weights);

 private:
  std::shared_ptr<const Model> model_, reference_;
  LabelledBatch batch_;
  HiddenStates states_;
  at::Tensor reference_final_;
  std::vector<float> values_, log_sum_exp_, reference_log_sum_exp_;
};

// Score and gradient of each chunk together; labels are drawn from the model where a seed is given.
std::vector<float> Accumulate(const Model& model, const BatchArrays& arrays,
                              const std::vector<float>& weights, std::optional<uint64_t> sample_seed);

Scores Score(const Model& model, const BatchArrays& arrays);

// Applies the model's thread count on this thread.
void UseThreads(const Model& model);

// Calls `work(first, last)` on disjoint ranges of rows on libtorch's threads.
void ForRows(int64_t rows, int64_t vocabulary, const std::function<void(int64_t, int64_t)>& work);

}  // namespace soul
