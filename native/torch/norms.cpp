#include "norms.h"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kept.h"

namespace soul {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// What normalised values are multiplied by, in float32 where that is more than the weight itself.
Tensor Factor(const Norm& norm) {
  return norm.kind == NormKind::kRmsPlusOne ? norm.weight.value.to(at::kFloat).add(1) : norm.weight.value;
}

class RmsNormRule : public Function<RmsNormRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Norm& norm) {
    const double size = static_cast<double>(x.size(1));
    const Tensor scale = at::linalg_vector_norm(x, 2, {{1}}, true, at::kFloat)
                             .square_()
                             .div_(size)
                             .add_(norm.epsilon)
                             .rsqrt_();
    context->save_for_backward({x, scale});
    Keep(context, "norm", norm);
    Tensor normal = at::mul(x, scale);
    if (norm.kind == NormKind::kRmsPlusOne) return normal.mul_(Factor(norm)).to(x.scalar_type());
    return normal.to(x.scalar_type()).mul_(norm.weight.value);
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &x = saved[0], &scale = saved[1], &d_output = d_outputs[0];
    const Norm& norm = Kept<Norm>(context, "norm");
    const Tensor factor = Factor(norm);
    const Tensor normal = at::mul(x, scale);  // float32, as are all that follow from it
    Tensor product = at::mul(d_output, normal);
    Tensor d_weight = norm.weight.gradient;
    if (d_weight.defined()) d_weight.add_(product.sum(0));
    const Tensor mean = product.mul_(factor).sum(1, true).div_(static_cast<double>(x.size(1)));
    Tensor d_normal = at::mul(d_output.to(at::kFloat), factor);
    const Tensor d_x = d_normal.addcmul_(normal, mean, -1).mul_(scale).to(x.scalar_type());
    return {d_x, Tensor()};
  }
};

class LayerNormRule : public Function<LayerNormRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Norm& norm) {
    auto [output, mean, scale] =
        at::native_layer_norm(x, {x.size(1)}, norm.weight.value, norm.bias.value, norm.epsilon);
    context->save_for_backward({x, mean, scale});
    Keep(context, "norm", norm);
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const Norm& norm = Kept<Norm>(context, "norm");
    const Tensor &x = saved[0], d_output = d_outputs[0].contiguous();
    const bool trains = norm.weight.trains();
    auto [d_x, d_weight, d_bias] =
        at::native_layer_norm_backward(d_output, x, {x.size(1)}, saved[1], saved[2], norm.weight.value,
                                       norm.bias.value, {true, trains, trains});
    if (trains) {
      Tensor weight = norm.weight.gradient, bias = norm.bias.gradient;
      weight.add_(d_weight);
      bias.add_(d_bias);
    }
    return {d_x, Tensor()};
  }
};

}  // namespace

Tensor Normalise(const Tensor& x, const Norm& norm) {
  const Tensor rows = x.dim() == 2 ? x : x.reshape({-1, x.size(-1)});
  const Tensor normal =
      norm.kind == NormKind::kLayer ? LayerNormRule::apply(rows, norm) : RmsNormRule::apply(rows, norm);
  return x.dim() == 2 ? normal : normal.view(x.sizes());
}

}  // namespace soul
