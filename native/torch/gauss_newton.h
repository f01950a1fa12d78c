// Products of the Gauss-Newton matrix of the cross-entropy with a direction in the space of the weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "passes.h"

namespace soul {

// All weights of a model that train, as its parameters see them, and their gradients' like: flat, float32, on
// one device.
struct Direction {
  at::Tensor values;     // the weights themselves
  at::Tensor direction;  // v
  at::Tensor scratch;    // overwritten
  double change;         // how far hidden states are moved, as a share of their length
};

// Adds sum_i weights[i] * J_i^T (diag(p_i) - p_i p_i^T) J_i v over the label tokens to the gradients, with
// J_i the derivative of token i's logits by the weights and p_i their softmax.
//
// J v comes from the final hidden states at theta + epsilon v and theta - epsilon v. The weights are moved in
// place for that, and are theirs again, bit for bit, when this returns or throws.
void AddGaussNewtonProduct(const Model& model, const BatchArrays& arrays, const std::vector<float>& weights,
                           const Direction& along);

}  // namespace soul
