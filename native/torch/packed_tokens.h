// Token sequences packed one after the other, without padding, on one device.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "attention.h"
#include "parameter.h"
#include "place.h"

namespace soul {

// Which rows of a table, an embedding's, the rows of a batch are.
struct TableRows {
  at::Tensor rows;  // [rows] int64
  at::Tensor
      distinct;  // [rows of the table that occur] int64; with `which`, undefined where rows are added exactly
  at::Tensor which;  // [rows] int64: the entry of `distinct` that each row is

  static TableRows Of(const std::vector<int64_t>& rows, const Place& place);

  // Adds each row of `d_rows` to the gradient of its row of the table.
  void AddGradient(const Parameter& table, const at::Tensor& d_rows, const Place& place) const;
};

struct PackedTokens {
  TableRows tokens;
  TableRows positions;           // each token's place in its sequence
  std::vector<int64_t> offsets;  // where each sequence begins, and the end
  std::vector<AttentionGroup> groups;
  PackedSequences sequences;
  at::Tensor wanted;  // [wanted rows] int64: the rows whose hidden state is asked for

  int64_t rows() const { return offsets.back(); }

  static PackedTokens Pack(const std::vector<int32_t>& tokens, std::vector<int64_t> offsets,
                           const std::vector<int64_t>& wanted, const Place& place);
};

}  // namespace soul
