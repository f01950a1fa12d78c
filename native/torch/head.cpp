#include "head.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

namespace soul {

using at::Tensor;

void LogitsInto(Tensor logits, const Tensor& hidden, const OutputHead& head) {
  const Tensor weight = head.weight.value.t();
  if (head.bias.defined()) {
    at::addmm_out(logits, head.bias.value, hidden, weight);
  } else {
    at::mm_out(logits, hidden, weight);
  }
  if (head.softcap > 0) logits.div_(head.softcap).tanh_().mul_(head.softcap);
}

void CapSlope(Tensor capped, const OutputHead& head) {
  // d (c tanh(x / c)) / dx = 1 - tanh(x / c)^2
  capped.div_(head.softcap).square_().neg_().add_(1);
}

}  // namespace soul
