// Adapters folded into the weights beside which they stand.
#pragma once

#include <ATen/core/Tensor.h>

#include "decoder.h"

namespace soul {

// Writes `weights`, the flat memory of a decoder's frozen weights, into `target`, of the same length, dtype
// and device and apart from it, with each adapter's scale * B A added: summed in float32 and rounded once.
void MergeAdapters(const Decoder& decoder, const at::Tensor& weights, at::Tensor target);

}  // namespace soul
