#include "logits_chunks.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>

#include "head.h"

namespace soul {

using at::Tensor;

ChunkBuffer::ChunkBuffer(const Model& model, int64_t rows, int64_t buffers) : model_(model) {
  const Place& place = model.place();
  const int64_t vocabulary = model.decoder.vocabulary();
  const auto row_bytes = vocabulary * static_cast<int64_t>(at::elementSize(place.dtype));
  const int64_t copies = model.decoder.head().softcap > 0 ? 2 * buffers : buffers;
  rows_ = std::clamp<int64_t>(model.logits_memory / (row_bytes * copies), 1, rows);
  logits_ = at::empty({rows_, vocabulary}, place.weights());
}

Tensor ChunkBuffer::Logits(const Tensor& hidden, bool pull_back) {
  const OutputHead& head = model_.decoder.head();
  const Tensor logits = logits_.narrow(0, 0, hidden.size(0));
  LogitsInto(logits, hidden, head);
  if (pull_back && head.softcap > 0) capped_ = logits.clone();
  return logits;
}

void ChunkBuffer::PullBack(const Tensor& d_logits, const Tensor& hidden, Tensor d_hidden) {
  const OutputHead& head = model_.decoder.head();
  if (head.softcap > 0) PullBackCap(d_logits, capped_, head);
  PullBackHead(d_logits, hidden, head, std::move(d_hidden));
}

}  // namespace soul
