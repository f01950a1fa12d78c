// Which elements are 0, and how many are not finite.
#pragma once

#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/vector_parameters.h"
#include "kernels/cuda/vector_walk.cuh"

namespace soul {

template <typename Element>
class NonFiniteWork {
 public:
  SOUL_DEVICE explicit NonFiniteWork(const CountParameters& p) : p_(p) {}

  template <int kCount>
  using Loaded = Group<Element, kCount>;
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index) const {
    return LoadGroup<kCount, Element>(p_.elements, index);
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t, const Loaded<kCount>& elements) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      count_ += (FloatBits(elements.Value(i)) & 0x7f800000u) == 0x7f800000u ? 1 : 0;
    }
  }

  SOUL_DEVICE uint32_t count() const { return count_; }

 private:
  const CountParameters& p_;
  uint32_t count_ = 0;
};

template <typename Element>
SOUL_DEVICE void CountNonFinite(const CountParameters& p) {
  NonFiniteWork<Element> work(p);
  WalkVectors<Element>(work, p.length, p.elements);
  AddBlockCount(p.count, work.count());
}

// Bit i is set where element index + i is 0; those past the end are clear.
template <typename Element, int kGroup>
SOUL_DEVICE uint32_t ZeroBits(const void* elements, int64_t index, int64_t length, bool aligned) {
  uint32_t bits = 0;
  if (aligned && index + kGroup <= length) {
    const Group<Element, kGroup> group = LoadGroup<kGroup, Element>(elements, index);
#pragma unroll
    for (int i = 0; i < kGroup; ++i) bits |= (group.Value(i) == 0.0f ? 1u : 0u) << i;
  } else {
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      if (index + i < length) {
        bits |= (LoadGroup<1, Element>(elements, index + i).Value(0) == 0.0f ? 1u : 0u) << i;
      }
    }
  }
  return bits;
}

// A byte belongs to eight elements from the first on, wherever memory begins: a thread reads 16 bytes of
// them, and of float32 two neighbours share a byte.
template <typename Element>
SOUL_DEVICE void MaskZeros(const MaskParameters& p) {
  constexpr int kGroup = 16 / static_cast<int>(sizeof(Element));
  constexpr int kSharers = 8 / kGroup;
  const bool aligned = reinterpret_cast<uintptr_t>(p.elements) % 16 == 0;
  const int64_t bytes = (p.length + 7) / 8;
  const int64_t stride = BlockCount() * ThreadCount();
  const int32_t lane = ThreadIndex() % kWarp;
  // A warp goes on until all its lanes are past the end.
  for (int64_t group = BlockIndex() * ThreadCount() + ThreadIndex(); group - lane < bytes * kSharers;
       group += stride) {
    uint32_t bits = ZeroBits<Element, kGroup>(p.elements, group * kGroup, p.length, aligned);
    if constexpr (kSharers == 2) bits |= ShuffleXor(bits, 1) << kGroup;
    if (lane % kSharers == 0 && group < bytes * kSharers) {
      p.mask[group / kSharers] = static_cast<uint8_t>(bits);
    }
  }
}

}  // namespace soul
