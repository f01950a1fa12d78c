#include "attention.h"

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>

#include "kept.h"

namespace soul {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// [rows, heads * size] -> [sequences, heads of the query, length, size]; key and value heads are repeated for
// their group.
Tensor Pad(const Tensor& packed, const AttentionGroup& group, int64_t heads, int64_t repeats, int64_t size) {
  const Tensor rows = packed.index_select(0, group.source);
  const Tensor block = rows.view({group.sequences, group.length, heads, 1, size});
  return block.expand({group.sequences, group.length, heads, repeats, size})
      .reshape({group.sequences, group.length, heads * repeats, size})
      .transpose(1, 2);
}

// The other way round; gradients of repeated heads are summed.
void UnpadInto(Tensor& packed, const Tensor& padded, const AttentionGroup& group, int64_t heads,
               int64_t repeats) {
  const int64_t size = padded.size(3);
  Tensor rows = padded.transpose(1, 2).reshape({group.sequences * group.length, heads, repeats, size});
  rows = repeats == 1 ? rows.squeeze(2) : rows.sum(2);
  packed.index_copy_(0, group.rows, rows.reshape({-1, heads * size}).index_select(0, group.slots));
}

class AttendRule : public Function<AttendRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& query, const Tensor& key, const Tensor& value,
                        const Tensor& cosine, const Tensor& sine, const std::vector<AttentionGroup>& groups,
                        const AttentionShape& shape, Tensor* rotated_key) {
    const int64_t rows = query.size(0), size = shape.head_size, repeats = shape.heads / shape.key_value_heads;
    const Tensor q = Rotate(query.view({rows, shape.heads, size}), cosine, sine).view({rows, -1});
    const Tensor k = Rotate(key.view({rows, shape.key_value_heads, size}), cosine, sine).view({rows, -1});
    if (rotated_key) *rotated_key = k;
    Tensor output = at::empty_like(query);
    variable_list saved = {q, k, value, output, cosine, sine};
    for (const AttentionGroup& group : groups) {
      auto [block, log_sum_exp] = at::_scaled_dot_product_flash_attention_for_cpu(
          Pad(q, group, shape.heads, 1, size), Pad(k, group, shape.key_value_heads, repeats, size),
          Pad(value, group, shape.key_value_heads, repeats, size), 0.0, true);
      UnpadInto(output, block, group, shape.heads, 1);
      saved.push_back(log_sum_exp);
    }
    context->save_for_backward(saved);
    Keep(context, "groups", groups);
    Keep(context, "shape", shape);
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &value = saved[2], &output = saved[3];
    const auto& groups = Kept<std::vector<AttentionGroup>>(context, "groups");
    const auto& shape = Kept<AttentionShape>(context, "shape");
    const int64_t rows = q.size(0), size = shape.head_size, repeats = shape.heads / shape.key_value_heads;
    Tensor d_q = at::empty_like(q), d_k = at::empty_like(k), d_value = at::empty_like(value);
    // The slots that are padding repeat real rows: their gradient must count for nothing.
    for (size_t i = 0; i < groups.size(); ++i) {
      const AttentionGroup& group = groups[i];
      Tensor d_rows = at::zeros({group.sequences * group.length, shape.heads * size}, q.options());
      d_rows.index_copy_(0, group.slots, d_outputs[0].index_select(0, group.rows));
      const Tensor d_block = d_rows.view({group.sequences, group.length, shape.heads, size}).transpose(1, 2);
      auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
          d_block, Pad(q, group, shape.heads, 1, size), Pad(k, group, shape.key_value_heads, repeats, size),
          Pad(value, group, shape.key_value_heads, repeats, size), Pad(output, group, shape.heads, 1, size),
          saved[6 + i], 0.0, true);
      UnpadInto(d_q, dq, group, shape.heads, 1);
      UnpadInto(d_k, dk, group, shape.key_value_heads, repeats);
      UnpadInto(d_value, dv, group, shape.key_value_heads, repeats);
    }
    // The inverse of a rotation turns by the opposite angle.
    const Tensor &cosine = saved[4], back = saved[5].neg();
    d_q = Rotate(d_q.view({rows, shape.heads, size}), cosine, back).view({rows, -1});
    d_k = Rotate(d_k.view({rows, shape.key_value_heads, size}), cosine, back).view({rows, -1});
    return {d_q, d_k, d_value, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

// The rotation by itself as a step of a graph.
class RotateRule : public Function<RotateRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& cosine, const Tensor& sine) {
    context->save_for_backward({cosine, sine});
    return Rotate(x, cosine, sine);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    return {Rotate(d_outputs[0], saved[0], saved[1].neg()), Tensor(), Tensor()};
  }
};

// By operations that libtorch differentiates itself, on every device.
Tensor AttendPortably(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& cosine,
                      const Tensor& sine, const std::vector<AttentionGroup>& groups,
                      const AttentionShape& shape, Tensor* rotated_key) {
  const int64_t rows = query.size(0), size = shape.head_size, repeats = shape.heads / shape.key_value_heads;
  const Tensor q = RotateRule::apply(query.view({rows, shape.heads, size}), cosine, sine).view({rows, -1});
  const Tensor k =
      RotateRule::apply(key.view({rows, shape.key_value_heads, size}), cosine, sine).view({rows, -1});
  if (rotated_key) *rotated_key = k;
  Tensor output = at::zeros_like(query);
  for (const AttentionGroup& group : groups) {
    const Tensor block = at::scaled_dot_product_attention(
        Pad(q, group, shape.heads, 1, size), Pad(k, group, shape.key_value_heads, repeats, size),
        Pad(value, group, shape.key_value_heads, repeats, size), {}, 0.0, true);
    UnpadInto(output, block, group, shape.heads, 1);
  }
  return output;
}

}  // namespace

Tensor Rotate(const Tensor& x, const Tensor& cosine, const Tensor& sine) {
  const int64_t half = x.size(2) / 2;
  const Tensor first = x.narrow(2, 0, half), second = x.narrow(2, half, half);
  Tensor turned = at::empty_like(x);
  Tensor turned_first = turned.narrow(2, 0, half), turned_second = turned.narrow(2, half, half);
  at::mul_out(turned_first, first, cosine).addcmul_(second, sine, -1);
  at::mul_out(turned_second, second, cosine).addcmul_(first, sine);
  return turned;
}

Tensor Attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& cosine,
              const Tensor& sine, const std::vector<AttentionGroup>& groups, const AttentionShape& shape,
              Tensor* rotated_key) {
  if (shape.portable) {
    return AttendPortably(query, key, value, cosine, sine, groups, shape, rotated_key);
  }
  return AttendRule::apply(query, key, value, cosine, sine, groups, shape, rotated_key);
}

Tensor AttendMasked(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask,
                    const AttentionShape& shape) {
  if (shape.portable) return at::scaled_dot_product_attention(query, key, value, mask);
  return std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, false, mask));
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
