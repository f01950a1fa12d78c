#include "packed_tokens.h"

#include <ATen/core/List.h>

#include <algorithm>
#include <utility>

namespace soul {

using at::Tensor;

TableRows TableRows::Of(const std::vector<int64_t>& rows, const Place& place) {
  if (place.adds_rows_exactly()) return {Upload(rows, place), {}, {}};
  std::vector<int64_t> distinct = rows, which;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  which.reserve(rows.size());
  for (const int64_t row : rows) {
    which.push_back(std::lower_bound(distinct.begin(), distinct.end(), row) - distinct.begin());
  }
  return {Upload(rows, place), Upload(distinct, place), Upload(which, place)};
}

void TableRows::AddGradient(const Parameter& table, const Tensor& d_rows, const Place& place) const {
  Tensor gradient = table.gradient;
  if (place.adds_rows_exactly()) {
    gradient.index_add_(0, rows, d_rows);
    return;
  }
  // A row's gradients are summed in float32 and rounded once, and in an order of their own: index_add_ would
  // add them as they come on a device.
  Tensor sums = gradient.index_select(0, distinct).to(at::kFloat);
  const c10::List<std::optional<Tensor>> indexes({which});
  sums.index_put_(indexes, d_rows.to(at::kFloat), /*accumulate=*/true);
  gradient.index_copy_(0, distinct, sums.to(place.dtype));
}

PackedTokens PackedTokens::Pack(const std::vector<int32_t>& tokens, std::vector<int64_t> offsets,
                                const std::vector<int64_t>& wanted, const Place& place) {
  std::vector<int64_t> positions;
  positions.reserve(tokens.size());
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    for (int64_t t = offsets[i]; t < offsets[i + 1]; ++t) positions.push_back(t - offsets[i]);
  }
  std::vector<AttentionGroup> groups = GroupSequences(offsets, place);
  PackedSequences sequences = DescribeSequences(offsets, place);
  return {TableRows::Of({tokens.begin(), tokens.end()}, place),
          TableRows::Of(positions, place),
          std::move(offsets),
          std::move(groups),
          std::move(sequences),
          Upload(wanted, place)};
}

}  // namespace soul
