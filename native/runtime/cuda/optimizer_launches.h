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

namespace cuda {

// `control`: the counters (ControlSlot), in memory of the device. What a function returns is to be called
// once, when the device is done. `may_search`: rho may have yet to be found.
std::function<StepReport()> EnqueueSophiaStep(Queue& queue, double* control, bool may_search,
                                              const SophiaMemory& memory, int64_t length,
                                              const std::vector<Segment>& segments,
                                              const SophiaSettings& settings);

std::function<StepReport()> EnqueueAdamWStep(Queue& queue, double* control, const AdamWMemory& memory,
                                             int64_t length, const std::vector<Segment>& segments,
                                             const StepSettings& settings);

std::function<StepReport()> EnqueueHessianUpdate(Queue& queue, double* control, const Elements& hessian,
                                                 const Elements& gradients, FrozenMask frozen, int64_t length,
                                                 const HessianSettings& settings);

}  // namespace cuda
}  // namespace soul
