// Calls of the optimizers on a device (runtime/optimizer_jobs.h says what each does), enqueued whole: what a
// call decides it decides there, and the host waits for nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/memory.h"
#include "runtime/cuda/queue.h"
#include "runtime/optimizer_jobs.h"

namespace soul {

// An optimizer's counters (ControlSlot): those of the device are what counts, the host's follow when a call
// is done.
struct DeviceControl {
  double* host;
  double* device;
};

constexpr int64_t kDeviceControlBytes = kControlSlots * static_cast<int64_t>(sizeof(double));

namespace cuda {

// What a function returns is to be called once, when the device is done; it also brings the host's counters
// up to date.
std::function<StepReport()> EnqueueSophiaStep(Queue& queue, const DeviceControl& control,
                                              const SophiaMemory& memory, int64_t length,
                                              const std::vector<Segment>& segments,
                                              const SophiaSettings& settings);

std::function<StepReport()> EnqueueAdamWStep(Queue& queue, const DeviceControl& control,
                                             const AdamWMemory& memory, int64_t length,
                                             const std::vector<Segment>& segments,
                                             const StepSettings& settings);

std::function<StepReport()> EnqueueHessianUpdate(Queue& queue, const DeviceControl& control,
                                                 const Elements& hessian, const Elements& gradients,
                                                 FrozenMask frozen, int64_t length,
                                                 const HessianSettings& settings);

}  // namespace cuda
}  // namespace soul
