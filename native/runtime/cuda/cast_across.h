// Casts between the host and devices, or between two devices.
#pragma once

#include "runtime/cuda/transfers.h"

namespace soul::cuda {

// target <- source, of the other dtype, `length` elements; a device of SOUL_CPU is host memory. They lie on
// different devices. The numbers are rounded on a device, a piece at a time. Where one is host memory it
// returns when that has been read or written.
void CastAcross(const QueueOf& queue_of, const Elements& target, int32_t target_device,
                const Elements& source, int32_t source_device, const Rounding& rounding, int64_t length);

}  // namespace soul::cuda
