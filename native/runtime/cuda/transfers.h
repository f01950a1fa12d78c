// Copies of elements between the host and devices.
#pragma once

#include <functional>

#include "kernels/memory.h"
#include "runtime/cuda/queue.h"

namespace soul::cuda {

// Gives an environment's queue for a device; throws DriverError.
using QueueOf = std::function<Queue&(int32_t device)>;

// target <- source, `length` elements of one dtype; a device of SOUL_CPU is host memory. At least one is on a
// device. On one device the two may overlap. Where one is host memory it returns when that has been read or
// written.
void Transfer(const QueueOf& queue_of, const Elements& target, int32_t target_device, const Elements& source,
              int32_t source_device, int64_t length);

}  // namespace soul::cuda
