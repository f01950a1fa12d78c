// Normalisation over the last dimension, as a step of a graph.
#pragma once

#include <ATen/core/Tensor.h>

#include "parameter.h"

namespace soul {

// Statistics are float32 whatever the dtype of x; a weight's gradient is added in place. The norm is held by
// address: a graph must not outlive its decoder. In bfloat16 the product with the weight is rounded where
// transformers rounds it: after the normalised values for kRms, together with them for kRmsPlusOne.
at::Tensor Normalise(const at::Tensor& x, const Norm& norm);

}  // namespace soul
