// A named weight of a model: views of the flat buffers that JavaScript owns.
#pragma once

#include <ATen/core/Tensor.h>

namespace soul {

// Gradients are added to `gradient` in place, by hand: no tensor of a weight's size is ever made on the way.
struct Parameter {
  at::Tensor value;
  at::Tensor gradient;

  bool defined() const { return value.defined(); }
};

// y = x W^T (+ b); the bias is undefined where the model has none.
struct Projection {
  Parameter weight;
  Parameter bias;
};

}  // namespace soul
