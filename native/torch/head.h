// From final hidden states to logits, and what that does to a gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include "parameter.h"

namespace soul {

// Into `logits`, [rows, vocabulary] of the dtype of `hidden`.
void LogitsInto(at::Tensor logits, const at::Tensor& hidden, const OutputHead& head);

// From the gradient of capped logits, in place, that of the logits before the cap; `capped` is overwritten.
// Only for a head with a cap.
void PullBackCap(at::Tensor d_logits, at::Tensor capped, const OutputHead& head);

// Turns d_logits, the gradient of logits before a cap, into the head's own gradient, which is added in place,
// and into that of `hidden`.
void PullBackHead(const at::Tensor& d_logits, const at::Tensor& hidden, const OutputHead& head,
                  at::Tensor d_hidden);

}  // namespace soul
