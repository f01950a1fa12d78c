// Attention within each of many sequences at once, packed as they are: libtorch's flash attention for NVIDIA
// GPUs, whose scores never exist as a whole, and which wants no padding.
#pragma once

#include <ATen/core/Tensor.h>

#include "attention.h"

namespace soul {

// Whether it takes such heads: bfloat16, on compute capability 8.0 and newer, which the caller knows.
bool PackedAttentionTakes(const AttentionShape& shape, const Place& place);

// As Attend; queries and keys are rotated in place.
at::Tensor AttendPacked(const AttentionInput& input, const Angles& turn, const PackedSequences& sequences,
                        const AttentionShape& shape);

}  // namespace soul
