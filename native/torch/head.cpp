#include "head.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tanh_backward.h>

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

void PullBackCap(Tensor d_logits, Tensor capped, const OutputHead& head) {
  // d (c tanh(x / c)) / dx = 1 - tanh(x / c)^2
  at::tanh_backward_out(d_logits, d_logits, capped.div_(head.softcap));
}

}  // namespace soul
