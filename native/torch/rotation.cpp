#include "rotation.h"

#include <torch/csrc/autograd/custom_function.h>

namespace soul {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

Tensor Rotated(const Tensor& x, const Angles& angles) {
  const Tensor copy = x.clone(at::MemoryFormat::Contiguous);
  RotateInPlace(copy, angles);
  return copy;
}

class RotateRule : public Function<RotateRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& cosine, const Tensor& sine) {
    context->save_for_backward({cosine, sine});
    return Rotated(x, {cosine, sine});
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    return {Rotated(d_outputs[0], Angles{saved[0], saved[1]}.Opposite()), Tensor(), Tensor()};
  }
};

}  // namespace

void RotateInPlace(const Tensor& x, const Angles& angles) {
  const int64_t half = angles.cosine.size(2);
  // Behind autograd's back: it allows no change to one of several views.
  const Tensor memory = x.variable_data();
  Tensor first = memory.narrow(2, 0, half), second = memory.narrow(2, half, half);
  const Tensor before = first.clone(at::MemoryFormat::Contiguous);
  first.mul_(angles.cosine).addcmul_(second, angles.sine, -1);
  second.mul_(angles.cosine).addcmul_(before, angles.sine);
}

Tensor Rotate(const Tensor& x, const Angles& angles) {
  return RotateRule::apply(x, angles.cosine, angles.sine);
}

}  // namespace soul
