// Sums over the threads of a block, in an order that depends on nothing but the block's shape.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.h"

namespace soul {

// The sum over the block, in its first thread; the others get something else. Every thread takes part.
template <typename T>
SOUL_DEVICE T BlockSum(T value) {
  SOUL_SHARED(T, warps, kMostThreads / kWarp);
  const int32_t lane = ThreadIndex() % kWarp;
#pragma unroll
  for (int32_t distance = kWarp / 2; distance > 0; distance /= 2) value += ShuffleDown(value, distance);
  Barrier();  // the sum before this one has been read
  if (lane == 0) warps[ThreadIndex() / kWarp] = value;
  Barrier();
  T sum{};
  if (ThreadIndex() == 0) {
    for (int32_t warp = 0; warp < ThreadCount() / kWarp; ++warp) sum += warps[warp];
  }
  return sum;
}

// Adds the block's sum to a counter in device memory.
SOUL_DEVICE void AddBlockCount(uint64_t* counter, uint32_t value) {
  const uint64_t sum = BlockSum(static_cast<uint64_t>(value));
  if (ThreadIndex() == 0 && sum != 0) AtomicAdd(counter, sum);
}

// The sum of what `count` blocks left, in the first thread of one block: each thread adds up those a block's
// length apart, then the block.
template <typename T>
SOUL_DEVICE T SumOfPartials(const T* partials, int64_t count) {
  T sum{};
  for (int64_t i = ThreadIndex(); i < count; i += ThreadCount()) sum += partials[i];
  return BlockSum(sum);
}

}  // namespace soul
