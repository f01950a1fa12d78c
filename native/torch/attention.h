// Attention over token rows packed one sequence after the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "place.h"

namespace soul {

// Rotates the two halves of every head by the token's angles; x: [rows, heads, size], cosine and sine: [rows,
// 1, size / 2].
at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine);

// Sequences that attention handles as one padded block.
struct AttentionGroup {
  int64_t sequences;
  int64_t length;     // of the longest
  at::Tensor source;  // [sequences * length]: the packed row that fills each slot (padding repeats a row)
  at::Tensor slots;   // [rows of the group]: the slot of each row
  at::Tensor rows;    // [rows of the group]: its packed rows
};

struct AttentionShape {
  int64_t heads;
  int64_t key_value_heads;
  int64_t head_size;
  // By libtorch's operation for every device, rather than by the one for CPUs that needs less memory.
  bool portable;
};

// Groups sequences of similar length, so that few calls do and little is wasted on padding.
// `offsets` has one more entry than sequences.
std::vector<AttentionGroup> GroupSequences(const std::vector<int64_t>& offsets, const Place& place);

// Causal grouped-query attention within each sequence; query [rows, heads * size], key and value [rows,
// kv_heads * size]. Padding stands to the right, where a causal mask hides it from every real token. Keys are
// rotated here; `rotated_key`, where given, receives them.
at::Tensor Attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                  const at::Tensor& cosine, const at::Tensor& sine, const std::vector<AttentionGroup>& groups,
                  const AttentionShape& shape, at::Tensor* rotated_key = nullptr);

// softmax(query key^T / sqrt(size) + mask) value without a gradient; each [sequences, heads, length, size].
at::Tensor AttendMasked(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                        const at::Tensor& mask, const AttentionShape& shape);

}  // namespace soul
