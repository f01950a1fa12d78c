#include "attention.h"

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "kept.h"
#include "packed_attention.h"

namespace soul {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// [rows, heads, size] -> [sequences, heads of the query, length, size]; key and value heads are repeated for
// their group.
Tensor Pad(const Tensor& packed, const AttentionGroup& group, int64_t repeats) {
  const int64_t heads = packed.size(1), size = packed.size(2);
  const Tensor block =
      packed.index_select(0, group.source).view({group.sequences, group.length, heads, 1, size});
  return block.expand({group.sequences, group.length, heads, repeats, size})
      .reshape({group.sequences, group.length, heads * repeats, size})
      .transpose(1, 2);
}

// The other way round; gradients of repeated heads are summed.
void UnpadInto(Tensor packed, const Tensor& padded, const AttentionGroup& group, int64_t repeats) {
  const int64_t heads = packed.size(1), size = packed.size(2);
  Tensor rows = padded.transpose(1, 2).reshape({group.sequences * group.length, heads, repeats, size});
  rows = repeats == 1 ? rows.squeeze(2) : rows.sum(2);
  packed.index_copy_(0, group.rows, rows.index_select(0, group.slots));
}

int64_t Repeats(const AttentionShape& shape) {
  return shape.heads / shape.key_value_heads;
}

// By libtorch's flash attention for CPUs, whose scores never exist as a whole.
class AttendRule : public Function<AttendRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& query, const Tensor& key, const Tensor& value,
                        const Angles& turn, const std::vector<AttentionGroup>& groups,
                        const std::vector<Tensor>& masks, const AttentionShape& shape) {
    // In place: whatever gives queries, keys and values keeps none of them.
    if (turn.defined()) {
      RotateInPlace(query, turn);
      RotateInPlace(key, turn);
    }
    const Tensor output = at::empty({query.size(0), shape.heads, shape.head_size}, query.options());
    variable_list saved = {query, key, value, output, turn.cosine, turn.sine};
    for (size_t i = 0; i < groups.size(); ++i) {
      const AttentionGroup& group = groups[i];
      auto [block, log_sum_exp] = at::_scaled_dot_product_flash_attention_for_cpu(
          Pad(query, group, 1), Pad(key, group, Repeats(shape)), Pad(value, group, Repeats(shape)), 0.0,
          !masks[i].defined(), MaskOf(masks[i]), shape.scale);
      UnpadInto(output, block, group, 1);
      saved.push_back(log_sum_exp);
      saved.push_back(masks[i]);
    }
    context->save_for_backward(saved);
    Keep(context, "groups", groups);
    Keep(context, "shape", shape);
    return output.view({query.size(0), -1});
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &query = saved[0], &key = saved[1], &value = saved[2], &output = saved[3];
    const Angles turn{saved[4], saved[5]};
    const auto& groups = Kept<std::vector<AttentionGroup>>(context, "groups");
    const auto& shape = Kept<AttentionShape>(context, "shape");
    const int64_t rows = query.size(0), size = shape.head_size, repeats = Repeats(shape);
    const Tensor d_output = d_outputs[0].reshape({rows, shape.heads, size});
    // Side by side, as the gradient of what the three come from is wanted.
    const Tensor all = at::empty({rows, shape.heads + 2 * shape.key_value_heads, size}, query.options());
    const Tensor d_query = all.narrow(1, 0, shape.heads),
                 d_key = all.narrow(1, shape.heads, shape.key_value_heads),
                 d_value = all.narrow(1, shape.heads + shape.key_value_heads, shape.key_value_heads);
    for (size_t i = 0; i < groups.size(); ++i) {
      const AttentionGroup& group = groups[i];
      // The slots that are padding repeat real rows: their gradient must count for nothing.
      Tensor d_rows = at::zeros({group.sequences * group.length, shape.heads, size}, query.options());
      d_rows.index_copy_(0, group.slots, d_output.index_select(0, group.rows));
      const Tensor d_block = d_rows.view({group.sequences, group.length, shape.heads, size}).transpose(1, 2);
      const Tensor &log_sum_exp = saved[6 + 2 * i], &mask = saved[7 + 2 * i];
      auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
          d_block, Pad(query, group, 1), Pad(key, group, repeats), Pad(value, group, repeats),
          Pad(output, group, 1), log_sum_exp, 0.0, !mask.defined(), MaskOf(mask), shape.scale);
      UnpadInto(d_query, dq, group, 1);
      UnpadInto(d_key, dk, group, repeats);
      UnpadInto(d_value, dv, group, repeats);
    }
    if (turn.defined()) {
      // The inverse of a rotation turns by the opposite angle.
      const Angles back = turn.Opposite();
      RotateInPlace(d_query, back);
      RotateInPlace(d_key, back);
    }
    return {d_query, d_key, d_value, Tensor(), Tensor(), Tensor(), Tensor()};
  }

 private:
  static std::optional<Tensor> MaskOf(const Tensor& mask) {
    return mask.defined() ? std::optional<Tensor>(mask) : std::nullopt;
  }
};

// softmax(cap(query key^T * scale) + mask) value, score by score, where they are to be capped; as
// transformers rounds it.
Tensor AttendExplicitly(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask,
                        const AttentionShape& shape) {
  Tensor scores = at::matmul(query, key.transpose(2, 3)).mul(shape.scale);
  scores = scores.div(shape.softcap).tanh().mul(shape.softcap).add(mask);
  return at::matmul(at::softmax(scores, -1, at::kFloat).to(query.scalar_type()), value);
}

// By operations that libtorch differentiates itself, on every device.
Tensor AttendPortably(const AttentionInput& input, const std::vector<AttentionGroup>& groups,
                      const std::vector<Tensor>& masks, const AttentionShape& shape) {
  Tensor output = at::zeros({input.query.size(0), shape.heads, shape.head_size}, input.query.options());
  for (size_t i = 0; i < groups.size(); ++i) {
    const AttentionGroup& group = groups[i];
    const Tensor query = Pad(input.query, group, 1), key = Pad(input.key, group, Repeats(shape)),
                 value = Pad(input.value, group, Repeats(shape));
    std::optional<Tensor> mask;
    if (masks[i].defined()) mask = masks[i];
    const Tensor block = shape.softcap > 0 ? AttendExplicitly(query, key, value, masks[i], shape)
                                           : at::scaled_dot_product_attention(query, key, value, mask, 0.0,
                                                                              !mask, shape.scale);
    UnpadInto(output, block, group, 1);
  }
  return output.view({input.query.size(0), -1});
}

}  // namespace

Tensor Attend(AttentionInput& input, const Angles& turn, const std::vector<AttentionGroup>& groups,
              const std::vector<Tensor>& masks, const PackedSequences& sequences,
              const AttentionShape& shape) {
  // Of sequences of one token the operation takes those without any for ones that have one.
  if (shape.kind == AttentionKind::kPacked && sequences.longest > 1) {
    return AttendPacked(input, turn, sequences, shape);
  }
  if (shape.kind == AttentionKind::kHost && shape.softcap == 0) {
    return AttendRule::apply(input.query, input.key, input.value, turn, groups, masks, shape);
  }
  if (turn.defined()) {
    input.query = Rotate(input.query, turn);
    input.key = Rotate(input.key, turn);
  }
  return AttendPortably(input, groups, masks, shape);
}

Tensor AttendMasked(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask,
                    const AttentionShape& shape) {
  if (shape.softcap > 0) return AttendExplicitly(query, key, value, mask, shape);
  if (shape.kind != AttentionKind::kHost) {
    return at::scaled_dot_product_attention(query, key, value, mask, 0.0, false, shape.scale);
  }
  return std::get<0>(
      at::_scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, false, mask, shape.scale));
}

std::vector<Tensor> MakeMasks(const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
                              const Place& place) {
  std::vector<Tensor> masks;
  for (const AttentionGroup& group : groups) {
    const bool windowed =
        shape.kind != AttentionKind::kPacked && shape.window > 0 && group.length > shape.window;
    if (!windowed && shape.softcap == 0) {
      masks.emplace_back();
      continue;
    }
    const Tensor place_of = at::arange(group.length, place.indexes());
    const Tensor back = place_of.unsqueeze(1).sub(place_of);  // how far before a row a column is
    Tensor visible = back.ge(0);
    if (windowed) visible = visible.logical_and(back.lt(shape.window));
    masks.push_back(at::where(visible, 0.0, -std::numeric_limits<double>::infinity()).to(place.dtype));
  }
  return masks;
}

PackedSequences DescribeSequences(const std::vector<int64_t>& offsets, const Place& place) {
  PackedSequences sequences{Tensor(), 0};
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    sequences.longest = std::max(sequences.longest, offsets[i + 1] - offsets[i]);
  }
  if (place.on_device())
    sequences.begins = Upload(std::vector<int32_t>(offsets.begin(), offsets.end()), place);
  return sequences;
}

std::vector<AttentionGroup> GroupSequences(const std::vector<int64_t>& offsets, const Place& place) {
  const size_t count = offsets.size() - 1;
  const auto length = [&](size_t sequence) { return offsets[sequence + 1] - offsets[sequence]; };
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return length(a) > length(b); });

  std::vector<AttentionGroup> groups;
  for (size_t begin = 0; begin < count;) {
    const int64_t longest = length(order[begin]);
    size_t end = begin;
    // Work grows with the square of the length: half of the longest is where a quarter would be useful.
    while (end < count && 2 * length(order[end]) >= longest) ++end;
    std::vector<int64_t> source, slots, rows;
    for (size_t i = begin; i < end; ++i) {
      const int64_t first = offsets[order[i]], own = length(order[i]);
      for (int64_t t = 0; t < longest; ++t) {
        source.push_back(first + std::min(t, own - 1));
        if (t >= own) continue;
        slots.push_back(static_cast<int64_t>(i - begin) * longest + t);
        rows.push_back(first + t);
      }
    }
    groups.push_back({static_cast<int64_t>(end - begin), longest, Upload(source, place), Upload(slots, place),
                      Upload(rows, place)});
    begin = end;
  }
  return groups;
}

}  // namespace soul
