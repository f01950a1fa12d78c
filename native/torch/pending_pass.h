// A forward pass whose values wait to be pulled back.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace soul {

class PendingPass {
 public:
  virtual ~PendingPass() = default;

  // One for each label token, float32 on the CPU.
  virtual const at::Tensor& values() const = 0;
  // Bytes, about, that it keeps.
  virtual int64_t graph_bytes() const = 0;
  // Whether its values are those of labels, so that others can be drawn in their place.
  virtual bool has_labels() const = 0;
  // Adds sum_i weights[i] * d values[i] to the gradients; the graph is spent unless it is to be kept. With a
  // seed, which needs labels, they are drawn as `Accumulate` draws them.
  virtual void Backward(const std::vector<float>& weights, std::optional<uint64_t> sample_seed,
                        bool keep) = 0;
};

}  // namespace soul
