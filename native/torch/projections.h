// Matrix products with weights, as steps of a graph, over token rows packed one sequence after the other.
//
// Each saves as little as its backward needs (what is cheap is computed again) and adds weight gradients in
// place. Parameters are held by address in the graph: a graph must not outlive its decoder.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "parameter.h"

namespace soul {

enum class Activation { kSilu, kGelu, kGeluTanh, kRelu };

at::Tensor Activate(const at::Tensor& x, Activation activation);

// The parts of all projections of the same input: [rows, columns], of parts that take turns [rows, heads,
// columns / heads]; views of what each projection gives as a whole.
std::vector<at::Tensor> Project(const at::Tensor& x, const ProjectionGroup& group);

// The same of what a norm gives for `before`. Beside frozen weights that is computed again where it is
// wanted.
std::vector<at::Tensor> ProjectNormal(const at::Tensor& normal, const ProjectionGroup& group,
                                      const at::Tensor& before, const Norm& norm);

// down(activation(gate) * up).
at::Tensor GatedProject(const at::Tensor& gate, const at::Tensor& up, const Projection& down,
                        Activation activation);

// down(activation(x)).
at::Tensor ActivatedProject(const at::Tensor& x, const Projection& down, Activation activation);

// Parts of one width each, [rows, columns], side by side: without a copy where they lie so already.
at::Tensor Join(const std::vector<at::Tensor>& parts);

}  // namespace soul
