// Sums in an order that depends on neither the vector width nor the number of threads.
//
// Element i of a block adds to lane i mod 16, whatever the processor; the lanes then meet in a fixed order,
// in double.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"

// One copy of a loop for each vector width, chosen when the addon is loaded. Needs ifunc: glibc on x86-64
// with GCC.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(SOUL_SANITIZE)
#define SOUL_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SOUL_CLONES
#endif

namespace soul {

constexpr int kLanes = 16;
// Elements whose terms are summed in float32 before they go on in double.
constexpr int64_t kBlock = 1024;

// body(element, lane) for every element of [begin, end).
template <typename Body>
SOUL_HOST_DEVICE void ForEachLane(int64_t begin, int64_t end, Body body) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) body(i + lane, lane);
  }
  for (int lane = 0; i + lane < end; ++lane) body(i + lane, lane);
}

template <typename Number>
SOUL_HOST_DEVICE double SumOfLanes(const Number* lanes) {
  double sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += static_cast<double>(lanes[lane]);
  return sum;
}

// sum of term(i) over [0, length), in float32 within a block and in double from block to block.
template <typename Term>
SOUL_HOST_DEVICE double SumInBlocks(int64_t length, Term term) {
  double sum = 0;
  for (int64_t begin = 0; begin < length; begin += kBlock) {
    const int64_t end = begin + kBlock < length ? begin + kBlock : length;
    float lanes[kLanes] = {};
    ForEachLane(begin, end,
                [&](int64_t i, int lane) __attribute__((always_inline)) { lanes[lane] += term(i); });
    sum += SumOfLanes(lanes);
  }
  return sum;
}

}  // namespace soul
