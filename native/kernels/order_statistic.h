// The k-th largest of many numbers, found by their bits: what the CPU's search and a device's have in common.
#pragma once

#include <cstdint>

#include "kernels/float_math.h"
#include "kernels/host_device.h"

namespace soul {

// Takes no part in an order statistic; NaN's bits, so no magnitude's.
constexpr uint32_t kNoKey = 0xffffffffu;

// |x| as bits that order as the numbers do; kNoKey for NaN and for what does not count.
SOUL_HOST_DEVICE uint32_t MagnitudeKey(float x, bool counts) {
  return counts && x == x ? FloatBits(x) & 0x7fffffffu : kNoKey;
}

// Which of `total` keys, from the largest and counted from 1, a fraction of them reaches: the nearest count,
// halves up, and at least one. 0 where there are none.
SOUL_HOST_DEVICE int64_t RankReachedBy(double fraction, int64_t total) {
  const auto wanted = static_cast<int64_t>(fraction * static_cast<double>(total) + 0.5);
  const int64_t least = wanted < 1 ? 1 : wanted;
  return least > total ? total : least;
}

}  // namespace soul
