// The logits of hidden states, a chunk of rows at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "job.h"
#include "model.h"

namespace soul {

// Buffers for the logits of at most as many rows as the model's memory setting allows.
class ChunkBuffer {
 public:
  ChunkBuffer(const Model& model, int64_t rows, int64_t buffers);

  int64_t rows() const { return rows_; }

  // In the dtype of the weights, as the losses read them; to be pulled back where `pull_back` says so.
  at::Tensor Logits(const at::Tensor& hidden, bool pull_back = false);

  // Turns d_logits, in place of the logits, into the head's gradient (added in place) and into d_hidden.
  void PullBack(const at::Tensor& d_logits, const at::Tensor& hidden, at::Tensor d_hidden);

 private:
  const Model& model_;
  int64_t rows_;
  at::Tensor logits_;
  at::Tensor capped_;  // the logits that are to be pulled back, where the head caps them
};

// Calls work(first, count) for chunks of rows.
template <typename Work>
void ForChunks(int64_t rows, int64_t chunk, const Work& work) {
  for (int64_t first = 0; first < rows; first += chunk) {
    ThrowIfCancelled();
    work(first, std::min(chunk, rows - first));
  }
}

template <typename Element>
Element* From(const at::Tensor& array, int64_t first) {
  return array.defined() ? array.data_ptr<Element>() + first : nullptr;
}

}  // namespace soul
