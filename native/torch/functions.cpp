#include "functions.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kept.h"

namespace soul {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

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
    d_bias.add_(d_output.sum(0, false, at::kFloat));
  }
}

class RmsNormRule : public Function<RmsNormRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Parameter& weight, double epsilon) {
    const double size = static_cast<double>(x.size(1));
    const Tensor scale =
        at::linalg_vector_norm(x, 2, {{1}}, true, at::kFloat).square_().div_(size).add_(epsilon).rsqrt_();
    context->save_for_backward({x, scale});
    Keep(context, "weight", weight);
    return at::mul(x, scale).to(x.scalar_type()).mul_(weight.value);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &x = saved[0], &scale = saved[1], &d_output = d_outputs[0];
    const Parameter& weight = Kept<Parameter>(context, "weight");
    const Tensor normal = at::mul(x, scale);  // float32, as are all that follow from it
    Tensor product = at::mul(d_output, normal);
    Tensor d_weight = weight.gradient;
    d_weight.add_(product.sum(0));
    const Tensor mean = product.mul_(weight.value).sum(1, true).div_(static_cast<double>(x.size(1)));
    Tensor d_normal = at::mul(d_output.to(at::kFloat), weight.value);
    const Tensor d_x = d_normal.addcmul_(normal, mean, -1).mul_(scale).to(x.scalar_type());
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

}  // namespace soul
