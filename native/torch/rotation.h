// Rotary position embeddings.
#pragma once

#include <ATen/core/Tensor.h>

namespace soul {

// Cosine and sine of each token's angles: [rows, 1, turned / 2], in the dtype of what is turned; undefined
// where a model has no rotary embedding.
struct Angles {
  at::Tensor cosine, sine;

  bool defined() const { return cosine.defined(); }
  // Those that undo the turn.
  Angles Opposite() const { return {cosine, sine.neg()}; }
};

// Turns the two halves of the first `turned` elements of every head, in place; x: [rows, heads, size] of any
// strides.
void RotateInPlace(const at::Tensor& x, const Angles& angles);

// The same on a copy, as a step of a graph.
at::Tensor Rotate(const at::Tensor& x, const Angles& angles);

}  // namespace soul
