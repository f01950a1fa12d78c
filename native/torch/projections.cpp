#include "projections.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/threshold_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kept.h"
#include "norms.h"

namespace soul {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

Tensor ApplyProjection(const Tensor& x, const Projection& projection) {
  const Tensor transposed = projection.weight.value.t();
  Tensor output =
      projection.bias.defined() ? at::addmm(projection.bias.value, x, transposed) : at::mm(x, transposed);
  for (const Adapter& adapter : projection.adapters) {
    const Tensor inner = at::mm(x, adapter.a.value.t());
    output.narrow(1, adapter.first, adapter.columns).addmm_(inner, adapter.b.value.t(), 1, adapter.scale);
  }
  return output;
}

// `x` may be undefined where the projection does not train.
void AddProjectionGradient(const Projection& projection, const Tensor& x, const Tensor& d_output) {
  // Copies of a tensor share its memory: this adds to the flat buffer.
  Tensor d_weight = projection.weight.gradient, d_bias = projection.bias.gradient;
  if (d_weight.defined()) d_weight.addmm_(d_output.t(), x);
  if (d_bias.defined()) d_bias.add_(d_output.sum(0, false, at::kFloat));
  for (const Adapter& adapter : projection.adapters) {
    const Tensor d_part = d_output.narrow(1, adapter.first, adapter.columns);
    Tensor d_a = adapter.a.gradient, d_b = adapter.b.gradient;
    d_b.addmm_(d_part.t(), at::mm(x, adapter.a.value.t()), 1, adapter.scale);
    d_a.addmm_(at::mm(d_part, adapter.b.value).t(), x, 1, adapter.scale);
  }
}

void AddAdaptersInputGradient(const Projection& projection, const Tensor& d_output, Tensor d_x) {
  for (const Adapter& adapter : projection.adapters) {
    const Tensor d_part = d_output.narrow(1, adapter.first, adapter.columns);
    d_x.addmm_(at::mm(d_part, adapter.b.value), adapter.a.value, 1, adapter.scale);
  }
}

Tensor ProjectionInputGradient(const Projection& projection, const Tensor& d_output) {
  Tensor d_x = at::mm(d_output, projection.weight.value);
  AddAdaptersInputGradient(projection, d_output, d_x);
  return d_x;
}

// The parts of what a projection gives, as views.
void Part(const Tensor& output, const Projection& projection, variable_list& parts) {
  const int64_t count = static_cast<int64_t>(projection.parts.size());
  if (projection.interleaved_heads > 0) {
    const Tensor heads = output.view({output.size(0), projection.interleaved_heads, count, -1});
    for (int64_t i = 0; i < count; ++i) parts.push_back(heads.select(2, i));
    return;
  }
  int64_t first = 0;
  for (const int64_t columns : projection.parts) {
    parts.push_back(count == 1 ? output : output.narrow(1, first, columns));
    first += columns;
  }
}

// The other way round.
Tensor JoinParts(const variable_list& parts, const Projection& projection) {
  if (projection.interleaved_heads == 0) return Join(parts);
  return at::stack(parts, 2).view({parts[0].size(0), -1});
}

bool Trains(const ProjectionGroup& group) {
  for (const Projection& projection : group) {
    if (projection.trains()) return true;
  }
  return false;
}

class ProjectRule : public Function<ProjectRule> {
 public:
  // What went into `norm`, where it is not null, is kept in place of what came out, which is computed again:
  // the norm's own node keeps it anyway.
  static variable_list forward(AutogradContext* context, const Tensor& x, const ProjectionGroup& group,
                               const Tensor& before_norm, const Norm* norm) {
    const bool again = norm != nullptr;
    context->save_for_backward({!Trains(group) ? Tensor() : again ? before_norm : x});
    if (again) Keep(context, "norm", *norm);
    Keep(context, "group", group);
    variable_list parts;
    for (const Projection& projection : group) Part(ApplyProjection(x, projection), projection, parts);
    return parts;
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_parts) {
    Tensor x = context->get_saved_variables()[0];
    if (x.defined() && context->saved_data.count("norm") > 0) {
      x = Normalise(x.detach(), Kept<Norm>(context, "norm"));
    }
    Tensor d_x;
    auto next = d_parts.begin();
    for (const Projection& projection : Kept<ProjectionGroup>(context, "group")) {
      const auto end = next + static_cast<int64_t>(projection.parts.size());
      const Tensor d_output = JoinParts({next, end}, projection);
      next = end;
      AddProjectionGradient(projection, x, d_output);
      if (d_x.defined()) {
        d_x.addmm_(d_output, projection.weight.value);
        AddAdaptersInputGradient(projection, d_output, d_x);
      } else {
        d_x = ProjectionInputGradient(projection, d_output);
      }
    }
    return {d_x, Tensor(), Tensor(), Tensor()};
  }
};

Tensor Activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kRelu:
      return at::relu(x);
  }
  return {};
}

// Into `d_x`, which may be a view.
void ActivateBackward(Tensor d_x, const Tensor& d_output, const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      at::silu_backward_out(d_x, d_output, x);
      break;
    case Activation::kGelu:
      at::gelu_backward_out(d_x, d_output, x);
      break;
    case Activation::kGeluTanh:
      at::gelu_backward_out(d_x, d_output, x, "tanh");
      break;
    case Activation::kRelu:
      at::threshold_backward_out(d_x, d_output, x, 0);
      break;
  }
}

class GatedProjectRule : public Function<GatedProjectRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up,
                        const Projection& down, Activation activation) {
    context->save_for_backward({gate, up});
    Keep(context, "down", down);
    context->saved_data["activation"] = static_cast<int64_t>(activation);
    return ApplyProjection(Activate(gate, activation).mul_(up), down);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &gate = saved[0], &up = saved[1];
    const Projection& down = Kept<Projection>(context, "down");
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    Tensor activated = Activate(gate, activation);
    AddProjectionGradient(down, down.trains() ? at::mul(activated, up) : Tensor(), d_outputs[0]);
    Tensor d_product = ProjectionInputGradient(down, d_outputs[0]);
    // Side by side, as the gradient of what the two come from is wanted.
    const int64_t columns = gate.size(1);
    const Tensor both = at::empty({gate.size(0), 2 * columns}, gate.options());
    Tensor d_gate = both.narrow(1, 0, columns), d_up = both.narrow(1, columns, columns);
    at::mul_out(d_up, activated, d_product);
    ActivateBackward(d_gate, d_product.mul_(up), gate, activation);
    return {d_gate, d_up, Tensor(), Tensor()};
  }
};

class ActivatedProjectRule : public Function<ActivatedProjectRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Projection& down,
                        Activation activation) {
    context->save_for_backward({x});
    Keep(context, "down", down);
    context->saved_data["activation"] = static_cast<int64_t>(activation);
    return ApplyProjection(Activate(x, activation), down);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const Tensor x = context->get_saved_variables()[0];
    const Projection& down = Kept<Projection>(context, "down");
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    AddProjectionGradient(down, down.trains() ? Activate(x, activation) : Tensor(), d_outputs[0]);
    const Tensor d_activated = ProjectionInputGradient(down, d_outputs[0]);
    const Tensor d_x = at::empty_like(d_activated);
    ActivateBackward(d_x, d_activated, x, activation);
    return {d_x, Tensor(), Tensor()};
  }
};

// Whether each begins where the one before ends, in every row.
bool AreSideBySide(const std::vector<Tensor>& parts) {
  const Tensor& first = parts[0];
  int64_t offset = first.storage_offset();
  for (const Tensor& part : parts) {
    if (!part.is_alias_of(first) || part.stride(0) != first.stride(0) || part.stride(1) != 1 ||
        part.storage_offset() != offset) {
      return false;
    }
    offset += part.size(1);
  }
  return offset - first.storage_offset() == first.stride(0);
}

}  // namespace

Tensor Join(const std::vector<Tensor>& parts) {
  if (parts.size() == 1) return parts[0];
  if (!AreSideBySide(parts)) return at::cat(parts, 1);
  return parts[0].as_strided({parts[0].size(0), parts[0].stride(0)}, {parts[0].stride(0), 1});
}

std::vector<Tensor> Project(const Tensor& x, const ProjectionGroup& group) {
  return ProjectRule::apply(x, group, x.detach(), static_cast<const Norm*>(nullptr));
}

std::vector<Tensor> ProjectNormal(const Tensor& normal, const ProjectionGroup& group, const Tensor& before,
                                  const Norm& norm) {
  // Where the norm trains, so does the whole model, of which activations are the lesser part.
  if (norm.weight.trains()) return Project(normal, group);
  return ProjectRule::apply(normal, group, before.detach(), &norm);
}

Tensor GatedProject(const Tensor& gate, const Tensor& up, const Projection& down, Activation activation) {
  return GatedProjectRule::apply(gate, up, down, activation);
}

Tensor ActivatedProject(const Tensor& x, const Projection& down, Activation activation) {
  return ActivatedProjectRule::apply(x, down, activation);
}

}  // namespace soul
