// The weights of a decoder, as views of the flat buffers that JavaScript owns.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace soul {

// Gradients are added to `gradient` in place, by hand: no tensor of a weight's size is ever made on the way.
struct Parameter {
  at::Tensor value;
  at::Tensor gradient;  // undefined where the weight is frozen: nothing is computed for it

  bool defined() const { return value.defined(); }
  bool trains() const { return gradient.defined(); }
};

enum class NormKind {
  kRms,         // x / sqrt(mean(x^2) + epsilon) * weight
  kRmsPlusOne,  // the same with 1 + weight
  kLayer,       // (x - mean) / sqrt(variance + epsilon) * weight + bias
};

struct Norm {
  Parameter weight;
  Parameter bias;  // undefined but for kLayer
  NormKind kind = NormKind::kRms;
  double epsilon = 0;

  bool defined() const { return weight.defined(); }
};

// Columns `first` to `first + columns` of a projection's output get scale * (x A^T) B^T beside (LoRA: Hu et
// al. 2021, arXiv 2106.09685).
struct Adapter {
  Parameter a;  // [rank, in]
  Parameter b;  // [columns, rank]
  double scale = 1;
  int64_t first = 0, columns = 0;
};

// y = x W^T (+ b) (+ adapters). The columns of y are one part or several, which follow each other, or take
// turns head by head.
struct Projection {
  Parameter weight;               // [out, in]; of any strides, since some files hold the transpose
  Parameter bias;                 // undefined where there is none
  std::vector<int64_t> parts;     // columns of each part
  int64_t interleaved_heads = 0;  // 0: parts follow each other
  std::vector<Adapter> adapters;

  // Whether a gradient of its weights needs its input.
  bool trains() const { return weight.trains() || !adapters.empty(); }
};

// Projections of one input.
using ProjectionGroup = std::vector<Projection>;

// From final hidden states to logits.
struct OutputHead {
  Parameter weight;    // [vocabulary, hidden]
  Parameter bias;      // undefined where there is none
  double softcap = 0;  // where not 0: logits <- softcap * tanh(logits / softcap)
};

}  // namespace soul
