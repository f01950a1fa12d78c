#include "functions.h"

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>

namespace soul {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

template <typename T>
void Keep(AutogradContext* context, const char* name, const T& owned) {
  context->saved_data[name] = reinterpret_cast<int64_t>(&owned);
}

template <typename T>
const T& Kept(AutogradContext* context, const char* name) {
  return *reinterpret_cast<const T*>(context->saved_data[name].toInt());
}

Tensor ApplyProjection(const Tensor& x, const Projection& projection) {
  const Tensor transposed = projection.weight.value.t();
  return projection.bias.defined() ? at::addmm(projection.bias.value, x, transposed) : at::mm(x, transposed);
}

void AddProjectionGradient(const Projection& projection, const Tensor& x, const Tensor& d_output) {
  // Copies of a tensor share its memory: this adds to the flat buffer.
  Tensor d_weight = projection.weight.gradient;
  d_weight.addmm_(d_output.t(), x);
  if (projection.bias.defined()) {
    Tensor d_bias = projection.bias.gradient;
    d_bias.add_(d_output.sum(0));
  }
}

class RmsNormRule : public Function<RmsNormRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Parameter& weight, double epsilon) {
    const double size = static_cast<double>(x.size(1));
    const Tensor scale =
        at::linalg_vector_norm(x, 2, {{1}}, true).square_().div_(size).add_(epsilon).rsqrt_();
    context->save_for_backward({x, scale});
    Keep(context, "weight", weight);
    return at::mul(x, scale).mul_(weight.value);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &x = saved[0], &scale = saved[1], &d_output = d_outputs[0];
    const Parameter& weight = Kept<Parameter>(context, "weight");
    const Tensor normal = at::mul(x, scale);
    Tensor product = at::mul(d_output, normal);
    Tensor d_weight = weight.gradient;
    d_weight.add_(product.sum(0));
    const Tensor mean = product.mul_(weight.value).sum(1, true).div_(static_cast<double>(x.size(1)));
    const Tensor d_x = at::mul(d_output, weight.value).addcmul_(normal, mean, -1).mul_(scale);
    return {d_x, Tensor(), Tensor()};
  }
};

class ProjectRule : public Function<ProjectRule> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& x,
                               const std::vector<const Projection*>& projections) {
    context->save_for_backward({x});
    variable_list outputs;
    std::vector<int64_t> addresses;
    for (const Projection* projection : projections) {
      outputs.push_back(ApplyProjection(x, *projection));
      addresses.push_back(reinterpret_cast<int64_t>(projection));
    }
    context->saved_data["projections"] = addresses;
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const Tensor x = context->get_saved_variables()[0];
    const std::vector<int64_t> addresses = context->saved_data["projections"].toIntVector();
    Tensor d_x;
    for (size_t i = 0; i < addresses.size(); ++i) {
      const Projection& projection = *reinterpret_cast<const Projection*>(addresses[i]);
      AddProjectionGradient(projection, x, d_outputs[i]);
      if (d_x.defined()) {
        d_x.addmm_(d_outputs[i], projection.weight.value);
      } else {
        d_x = at::mm(d_outputs[i], projection.weight.value);
      }
    }
    return {d_x, Tensor()};
  }
};

class GatedProjectRule : public Function<GatedProjectRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up,
                        const Projection& down) {
    context->save_for_backward({gate, up});
    Keep(context, "down", down);
    return ApplyProjection(at::silu(gate).mul_(up), down);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &gate = saved[0], &up = saved[1];
    const Projection& down = Kept<Projection>(context, "down");
    Tensor activated = at::silu(gate);
    AddProjectionGradient(down, at::mul(activated, up), d_outputs[0]);
    Tensor d_product = at::mm(d_outputs[0], down.weight.value);
    const Tensor d_up = activated.mul_(d_product);
    d_product.mul_(up);
    const Tensor d_gate = at::silu_backward(d_product, gate);
    return {d_gate, d_up, Tensor()};
  }
};

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

}  // namespace

Tensor RmsNorm(const Tensor& x, const Parameter& weight, double epsilon) {
  return RmsNormRule::apply(x, weight, epsilon);
}

std::vector<Tensor> Project(const Tensor& x, const std::vector<const Projection*>& projections) {
  return ProjectRule::apply(x, projections);
}

Tensor GatedProject(const Tensor& gate, const Tensor& up, const Projection& down) {
  return GatedProjectRule::apply(gate, up, down);
}

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
  return AttendRule::apply(query, key, value, cosine, sine, groups, shape, rotated_key);
}

std::vector<AttentionGroup> GroupSequences(const std::vector<int64_t>& offsets) {
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
    groups.push_back({static_cast<int64_t>(end - begin), longest, at::tensor(source), at::tensor(slots),
                      at::tensor(rows)});
    begin = end;
  }
  return groups;
}

}  // namespace soul
