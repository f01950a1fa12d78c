// Where a model's tensors lie, and what its weights are held in.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include <vector>

#include "../runtime/interface.h"

namespace soul {

struct Place {
  int32_t ordinal = SOUL_CPU;  // of the CUDA device; SOUL_CPU: none
  at::ScalarType dtype = at::kFloat;

  bool on_device() const { return ordinal != SOUL_CPU; }
  // Whether rows may be added to a gradient one by one: nothing is rounded in between, and in a known order.
  bool adds_rows_exactly() const { return !on_device() && dtype == at::kFloat; }
  at::Device device() const {
    return on_device() ? at::Device(at::kCUDA, static_cast<at::DeviceIndex>(ordinal)) : at::Device(at::kCPU);
  }
  at::TensorOptions weights() const { return at::TensorOptions(dtype).device(device()); }
  at::TensorOptions floats() const { return at::TensorOptions(at::kFloat).device(device()); }
  at::TensorOptions indexes() const { return at::TensorOptions(at::kLong).device(device()); }
};

// A tensor of these numbers; on a device it goes through pinned memory, so that nobody waits for the copy.
template <typename Element>
at::Tensor Upload(const std::vector<Element>& values, const Place& place) {
  const at::Tensor host = at::tensor(values);
  return place.on_device() ? host.pin_memory().to(place.device(), /*non_blocking=*/true) : host;
}

}  // namespace soul
