// Whole vectors walked in the frame of streams.cuh.
#pragma once

#include "kernels/cuda/streams.cuh"

namespace soul {

// Elements of a group of these types.
template <typename... Element>
constexpr int32_t kGroupOf = ((sizeof(Element) == 2) && ...) ? kNarrowGroup : kMixedGroup;

template <typename Element>
using AddressOf = const void*;

// Walks elements [0, length) of vectors of these types, which begin at these addresses.
template <typename... Element, typename Work>
SOUL_DEVICE void WalkVectors(Work& work, int64_t length, AddressOf<Element>... vectors) {
  constexpr int32_t kGroup = kGroupOf<Element...>;
  CommonHead<kGroup> head;
  (head.Add(vectors, sizeof(Element)), ...);
  WalkTiles<kGroup>(CutOf(0, length, head.head(), kGroup), work);
}

}  // namespace soul
