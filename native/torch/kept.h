// What a node of the graph remembers by address: parts of a decoder or a batch, which outlive the graph.
#pragma once

#include <torch/csrc/autograd/custom_function.h>

namespace soul {

template <typename T>
void Keep(torch::autograd::AutogradContext* context, const char* name, const T& owned) {
  context->saved_data[name] = reinterpret_cast<int64_t>(&owned);
}

template <typename T>
const T& Kept(torch::autograd::AutogradContext* context, const char* name) {
  return *reinterpret_cast<const T*>(context->saved_data[name].toInt());
}

}  // namespace soul
