// The differentiable building blocks of a decoder, over token rows packed one sequence after the other.
//
// Each saves as little as its backward needs (what is cheap is computed again) and adds weight gradients in
// place. Parameters are held by address in the graph: a graph must not outlive its decoder.
//
// In bfloat16 products are rounded where the Llama of transformers rounds them, statistics are float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "parameter.h"

namespace soul {

// x * weight / sqrt(mean(x^2) + epsilon), over the last dimension.
at::Tensor RmsNorm(const at::Tensor& x, const Parameter& weight, double epsilon);

// One output for each projection of the same input.
std::vector<at::Tensor> Project(const at::Tensor& x, const std::vector<const Projection*>& projections);

// down(silu(gate) * up).
at::Tensor GatedProject(const at::Tensor& gate, const at::Tensor& up, const Projection& down);

}  // namespace soul
