// From final hidden states to logits, and what that does to a gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include "parameter.h"

namespace soul {

// Into `logits`, [rows, vocabulary] of the dtype of `hidden`.
void LogitsInto(at::Tensor logits, const at::Tensor& hidden, const OutputHead& head);

// From capped logits the slope of the cap, in place; only for a head with a cap.
void CapSlope(at::Tensor capped, const OutputHead& head);

}  // namespace soul
