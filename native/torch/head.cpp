#include "head.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
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

void PullBackHead(const Tensor& d_logits, const Tensor& hidden, const OutputHead& head, Tensor d_hidden) {
  // Copies of a tensor share its memory: this adds to the flat buffer.
  Tensor d_weight = head.weight.gradient, d_bias = head.bias.gradient;
  if (d_weight.defined()) d_weight.addmm_(d_logits.t(), hidden);
  if (d_bias.defined()) d_bias.add_(d_logits.sum(0, false, at::kFloat));
  at::mm_out(d_hidden, d_logits, head.weight.value);
}

}  // namespace soul
