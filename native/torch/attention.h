// Causal attention over token rows packed one sequence after the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "place.h"
#include "rotation.h"

namespace soul {

// Sequences that attention handles as one padded block.
struct AttentionGroup {
  int64_t sequences;
  int64_t length;     // of the longest
  at::Tensor source;  // [sequences * length]: the packed row that fills each slot (padding repeats a row)
  at::Tensor slots;   // [rows of the group]: the slot of each row
  at::Tensor rows;    // [rows of the group]: its packed rows
};

// Where each of the sequences begins that attention handles as they are packed.
struct PackedSequences {
  at::Tensor begins;  // [sequences + 1] int32, on a device; undefined on the CPU
  int64_t longest;
};

// Which operation of libtorch computes attention.
enum class AttentionKind {
  kHost,      // the one for CPUs, which needs little memory
  kPortable,  // the one for every device, on padded blocks
  kPacked,    // flash attention on packed rows (packed_attention.h)
};

struct AttentionShape {
  int64_t heads;
  int64_t key_value_heads;
  int64_t head_size;
  double scale;    // of the products of queries and keys
  int64_t window;  // tokens that a token sees, itself with them; 0: all before it
  double softcap;  // where not 0: scores <- softcap * tanh(scores / softcap)
  AttentionKind kind;
};

// Queries [rows, heads, size], keys and values [rows, key-value heads, size], of any strides.
struct AttentionInput {
  at::Tensor query, key, value;
};

// Groups sequences of similar length, so that few calls do and little is wasted on padding.
// `offsets` has one more entry than sequences.
std::vector<AttentionGroup> GroupSequences(const std::vector<int64_t>& offsets, const Place& place);

PackedSequences DescribeSequences(const std::vector<int64_t>& offsets, const Place& place);

// For each group what Attend adds to scores, [length, length]; undefined where being causal is all.
std::vector<at::Tensor> MakeMasks(const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
                                  const Place& place);

// Grouped-query attention within each sequence: [rows, heads * size]. Padding stands to the right, where a
// causal mask hides it from every real token. Queries and keys are rotated here, in place where nothing else
// keeps them: `input.key` holds rotated keys afterwards.
at::Tensor Attend(AttentionInput& input, const Angles& turn, const std::vector<AttentionGroup>& groups,
                  const std::vector<at::Tensor>& masks, const PackedSequences& sequences,
                  const AttentionShape& shape);

// softmax(cap(query key^T * scale) + mask) value without a gradient; each [sequences, heads, length, size].
at::Tensor AttendMasked(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                        const at::Tensor& mask, const AttentionShape& shape);

}  // namespace soul
