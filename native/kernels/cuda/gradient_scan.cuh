// One read of a gradient: its norm, and whether every element is finite.
#pragma once

#include <cmath>

#include "kernels/cuda/optimizer_parameters.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/streams.cuh"

namespace soul {

// The square of a float is exact in double, so that this rounds as a product and a sum do.
SOUL_DEVICE double AddSquare(double sum, float x) {
  const auto wide = static_cast<double>(x);
  return std::fma(wide, wide, sum);
}

// The same for a group; frozen elements are 0.
template <typename Element, int kCount>
SOUL_DEVICE double AddSquares(double sum, const Group<Element, kCount>& gradients, uint32_t frozen) {
  if (frozen == 0) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) sum = AddSquare(sum, gradients.Value(i));
    return sum;
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    sum = AddSquare(sum, (frozen >> i & 1u) != 0 ? 0.0f : gradients.Value(i));
  }
  return sum;
}

template <typename Element>
class GradientReader {
 public:
  template <int kCount>
  struct Loaded {
    Group<Element, kCount> gradients;
    uint32_t frozen;
  };

  SOUL_DEVICE GradientReader(const void* gradients, FrozenMask frozen)
      : gradients_(gradients), frozen_(frozen) {}

  SOUL_DEVICE FrozenMask mask() const { return frozen_; }

  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index, uint32_t frozen) const {
    return {LoadGroup<kCount, Element>(gradients_, index), frozen};
  }

  template <int kCount>
  SOUL_DEVICE void Skip(int64_t) const {}

  template <int kCount>
  SOUL_DEVICE void Finish(int64_t, const Loaded<kCount>& loaded) {
    square_sum = AddSquares(square_sum, loaded.gradients, loaded.frozen);
  }

  // Squares of floats are far from double's end, so that a sum is finite exactly where all of them are.
  SOUL_DEVICE bool IsFinite() const { return square_sum < 0x1p1000; }

  double square_sum = 0;

 private:
  const void* const gradients_;
  const FrozenMask frozen_;
};

// The block's share, in its first thread: the sum, and how many threads found what is not finite.
template <typename Element, int kGroup>
SOUL_DEVICE void ScanElements(const void* elements, FrozenMask frozen, int64_t length, double* square_sum,
                              uint64_t* non_finite) {
  CommonHead<kGroup> head;
  head.Add(elements, sizeof(Element));
  GradientReader<Element> reader(elements, frozen);
  WalkTiles<kGroup>(CutOf(0, length, head.head(), kGroup), reader);
  *square_sum = BlockSum(reader.square_sum);
  *non_finite = BlockSum(uint64_t{reader.IsFinite() ? 0u : 1u});
}

SOUL_DEVICE void ScanGradients(const ScanParameters& parameters) {
  ScanPartial partial{};
  // The gradients, then the estimate where it is to be read.
  for (int32_t turn = 0; turn < 2; ++turn) {
    const Elements& elements = turn == 0 ? parameters.gradients : parameters.estimates;
    if (elements.data == nullptr) continue;
    double square_sum = 0;
    uint64_t non_finite = 0;
    if (elements.dtype == DType::kFloat32) {
      ScanElements<float, kMixedGroup>(elements.data, parameters.frozen, parameters.length, &square_sum,
                                       &non_finite);
    } else {
      ScanElements<uint16_t, kNarrowGroup>(elements.data, parameters.frozen, parameters.length, &square_sum,
                                           &non_finite);
    }
    if (turn == 0) {
      partial.square_sum = square_sum;
      partial.non_finite = non_finite;
    } else {
      partial.non_finite_estimates = non_finite;
    }
  }
  if (ThreadIndex() == 0) parameters.partials[BlockIndex()] = partial;
}

}  // namespace soul
