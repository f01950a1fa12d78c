// Work on vectors of a device, enqueued in the order of the calls (runtime/vector_jobs.h says what each
// does). What a function returns reads the result, once the job is done.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/cuda/vector_parameters.h"
#include "runtime/cuda/queue.h"

namespace soul::cuda {

std::function<int64_t()> EnqueueCountNonFinite(Queue& queue, const Elements& elements, int64_t length);

// A sum has the same bits on one device for one launch shape, whatever else is computed beside it and
// wherever memory begins.
std::function<double()> EnqueueInnerProduct(Queue& queue, const Elements& a, const Elements& b,
                                            int64_t length);
std::function<InnerProducts()> EnqueueProductsOfPairs(Queue& queue, const Elements* vectors, int32_t count,
                                                      int64_t length);

void EnqueueAddScaled(Queue& queue, float alpha, const Elements& x, const Elements& y,
                      const Rounding& rounding, int64_t length);
void EnqueueAddSign(Queue& queue, float alpha, const Elements& x, const Elements& y, const Rounding& rounding,
                    int64_t length);
void EnqueueAddNormal(Queue& queue, float factor, const NormalDraws& draws, const Elements& source,
                      const Elements& target, FrozenMask frozen, const Rounding& rounding, int64_t length);
void EnqueueScale(Queue& queue, float factor, const Elements& y, const Rounding& rounding, int64_t length);
void EnqueueSoftThreshold(Queue& queue, float by, const Elements& y, FrozenMask frozen,
                          const Rounding& rounding, int64_t length);
void EnqueueFillFrozen(Queue& queue, const Elements& elements, FrozenMask frozen, float value,
                       int64_t length);
// target <- source, of the other dtype; they are elements `first`, first + 1, ... of what is rounded.
void EnqueueCast(Queue& queue, const Elements& source, const Elements& target, const Rounding& rounding,
                 int64_t first, int64_t length);

std::function<double()> EnqueueQuantile(Queue& queue, const MagnitudeTerms& terms, double fraction,
                                        int64_t length);
void EnqueueMaskZeros(Queue& queue, const Elements& elements, uint8_t* mask, int64_t length);

// Every byte of the streams, at most kMostStreams, is read or written once, as a step walks them.
void EnqueueStreamPattern(Queue& queue, const std::vector<soul::Stream>& streams, int64_t length);

void EnqueueFunction(Queue& queue, MathFunction function, const float* input, float* output, int64_t length);
void EnqueueRandomBits(Queue& queue, uint64_t seed, uint64_t row, uint32_t* bits, int64_t length);

}  // namespace soul::cuda
