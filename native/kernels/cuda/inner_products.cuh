// Inner products of vectors in double, all of them in one read of memory.
//
// Which thread adds an element, and in which order, follows from the element's index and the grid's shape
// alone: a product has the same bits whatever else is computed beside it, whatever the dtypes and wherever
// memory begins.
#pragma once

#include <cmath>

#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/streams.cuh"
#include "kernels/cuda/vector_parameters.h"

namespace soul {

enum class Vectors { kFloat32, kBFloat16, kMixed };

// Elements that a thread takes in a row.
constexpr int kProductGroup = 4;

constexpr int ProductsOf(int vectors) {
  return vectors * (vectors + 1) / 2;
}

template <Vectors kVectors>
SOUL_DEVICE bool IsFloat32(const Elements& vector) {
  return kVectors == Vectors::kFloat32 || (kVectors == Vectors::kMixed && vector.dtype == DType::kFloat32);
}

// kCount elements of every vector.
template <int kVectorCount, int kCount>
struct Row {
  float values[kVectorCount][kCount];
};

template <Vectors kVectors, int kVectorCount, int kCount>
SOUL_DEVICE Row<kVectorCount, kCount> LoadRow(const Elements* vectors, int64_t index) {
  Row<kVectorCount, kCount> row;
#pragma unroll
  for (int v = 0; v < kVectorCount; ++v) {
    if (IsFloat32<kVectors>(vectors[v])) {
      const auto group = LoadGroup<kCount, float>(vectors[v].data, index);
#pragma unroll
      for (int i = 0; i < kCount; ++i) row.values[v][i] = group.Value(i);
    } else {
      const auto group = LoadGroup<kCount, uint16_t>(vectors[v].data, index);
#pragma unroll
      for (int i = 0; i < kCount; ++i) row.values[v][i] = group.Value(i);
    }
  }
  return row;
}

// kAcross: of two vectors the product of one with the other alone. Products of floats are exact in double, so
// that this rounds as a product and a sum do.
template <int kVectorCount, bool kAcross, int kCount>
SOUL_DEVICE void AddProducts(const Row<kVectorCount, kCount>& row, double* sums) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    double x[kVectorCount];
#pragma unroll
    for (int v = 0; v < kVectorCount; ++v) x[v] = static_cast<double>(row.values[v][i]);
    if constexpr (kAcross) {
      sums[0] = std::fma(x[0], x[1], sums[0]);
    } else {
      int product = 0;
#pragma unroll
      for (int first = 0; first < kVectorCount; ++first) {
#pragma unroll
        for (int second = first; second < kVectorCount; ++second) {
          sums[product] = std::fma(x[first], x[second], sums[product]);
          ++product;
        }
      }
    }
  }
}

template <Vectors kVectors, int kVectorCount>
SOUL_DEVICE bool AllAligned(const Elements* vectors) {
  bool aligned = true;
#pragma unroll
  for (int v = 0; v < kVectorCount; ++v) {
    const uintptr_t bytes = kProductGroup * (IsFloat32<kVectors>(vectors[v]) ? 4 : 2);
    aligned = aligned && reinterpret_cast<uintptr_t>(vectors[v].data) % bytes == 0;
  }
  return aligned;
}

template <Vectors kVectors, int kVectorCount, bool kAcross = false>
SOUL_DEVICE void SumProducts(const ProductsParameters& p) {
  constexpr int kProducts = kAcross ? 1 : ProductsOf(kVectorCount);
  // Loads under way: at least as many bytes for one vector as for several.
  constexpr int kRounds = kVectorCount == 1 ? 4 : kVectorCount < kMostVectors ? 2 : 1;
  constexpr int kGroup = kProductGroup;
  double sums[kProducts] = {};
  const int64_t groups = p.length / kGroup;
  const int64_t stride = BlockCount() * ThreadCount();
  int64_t group = BlockIndex() * ThreadCount() + ThreadIndex();
  if (AllAligned<kVectors, kVectorCount>(p.vectors)) {
    for (; kRounds > 1 && group + (kRounds - 1) * stride < groups; group += kRounds * stride) {
      Row<kVectorCount, kGroup> rows[kRounds];
#pragma unroll
      for (int round = 0; round < kRounds; ++round) {
        rows[round] = LoadRow<kVectors, kVectorCount, kGroup>(p.vectors, (group + round * stride) * kGroup);
      }
#pragma unroll
      for (int round = 0; round < kRounds; ++round) {
        AddProducts<kVectorCount, kAcross, kGroup>(rows[round], sums);
      }
    }
    for (; group < groups; group += stride) {
      AddProducts<kVectorCount, kAcross, kGroup>(
          LoadRow<kVectors, kVectorCount, kGroup>(p.vectors, group * kGroup), sums);
    }
  }
  // What is not aligned, and the last group, which lacks elements.
  for (; group <= groups; group += stride) {
    for (int64_t index = group * kGroup; index < (group + 1) * kGroup && index < p.length; ++index) {
      AddProducts<kVectorCount, kAcross, 1>(LoadRow<kVectors, kVectorCount, 1>(p.vectors, index), sums);
    }
  }
#pragma unroll
  for (int product = 0; product < kProducts; ++product) {
    const double sum = BlockSum(sums[product]);
    if (ThreadIndex() == 0) p.partials[BlockIndex() * kProducts + product] = sum;
  }
}

// One block.
SOUL_DEVICE void SumOfBlocks(const SumProductsParameters& p) {
  for (int32_t product = 0; product < p.products; ++product) {
    double sum = 0;
    for (int64_t block = ThreadIndex(); block < p.blocks; block += ThreadCount()) {
      sum += p.partials[block * p.products + product];
    }
    sum = BlockSum(sum);
    if (ThreadIndex() == 0) p.sums[product] = sum;
  }
}

}  // namespace soul
