// Two neighbouring bfloat16 as one word, where a step on bfloat16 throughout would be held up by arithmetic
// rather than by memory: results are rounded and compared without taking the words apart.
#pragma once

#include <cstdint>

#include "kernels/cuda/streams.cuh"

namespace soul {

// What arithmetic on bfloat16 gave, rounded to bfloat16 in the upper half; the lower means nothing. The NaN
// of a device's arithmetic is 0x7fffffff, of which rounding would make a number: the smaller one's lower half
// is zeros.
template <bool kStochastic>
SOUL_DEVICE uint32_t RoundedResult(float x, uint32_t random) {
  const auto bits = static_cast<int32_t>(FloatBits(x));
  const float result = FloatFromBits(static_cast<uint32_t>(bits < 0x7fff0000 ? bits : 0x7fff0000));
  return kStochastic ? RoundToBFloat16(result, random) : RoundToBFloat16(result);
}

// The upper halves of two words.
SOUL_DEVICE uint32_t PairOf(uint32_t first, uint32_t second) {
  return first >> 16 | (second & 0xffff0000u);
}

// How many elements of two groups differ.
template <int kCount>
SOUL_DEVICE uint32_t CountDiffering(const Group<uint16_t, kCount>& one,
                                    const Group<uint16_t, kCount>& other) {
  static_assert(kCount % 2 == 0);
  uint32_t halves = 0;
#pragma unroll
  for (int k = 0; k < kCount / 2; ++k) {
    const uint32_t difference = one.words[k] ^ other.words[k];
    // The upper bit of a half is set where any of its bits is: the sum carries into it, or it was set before.
    const uint32_t marks = (((difference & 0x7fff7fffu) + 0x7fff7fffu) | difference) & 0x80008000u;
    halves += marks >> 15;
  }
  return (halves & 0xffffu) + (halves >> 16);
}

}  // namespace soul
