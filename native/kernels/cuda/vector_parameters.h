// What the kernels on vectors are given.
#pragma once

#include <cstdint>

#include "kernels/cuda/order_statistic_parameters.h"
#include "kernels/memory.h"
#include "kernels/normal.h"
#include "kernels/vectors.h"

namespace soul {

// target <- source, of the other dtype. Random bits are those of elements `first`, first + 1, ...
struct CastParameters {
  const void* source;
  void* target;
  Rounding rounding;
  int64_t first;
  int64_t length;
};

// y <- alpha * x + y, or alpha * sign(x) + y; x may be y.
struct AxpyParameters {
  float alpha;
  const void* x;
  void* y;
  Rounding rounding;
  int64_t length;
};

// target <- source + factor * z, z 0 for frozen elements; the source may be the target.
struct AddNormalParameters {
  float factor;
  NormalDraws draws;
  const void* source;
  void* target;
  FrozenMask frozen;
  Rounding rounding;
  int64_t length;
};

// y <- factor * y.
struct ScaleParameters {
  float factor;
  void* y;
  Rounding rounding;
  int64_t length;
};

// y <- sign(y) * max(|y| - by, 0); frozen elements stay.
struct SoftThresholdParameters {
  float by;
  void* y;
  FrozenMask frozen;
  Rounding rounding;
  int64_t length;
};

// Frozen elements become `bits`.
struct FillFrozenParameters {
  void* elements;
  FrozenMask frozen;
  uint32_t bits;
  int64_t length;
};

// Each block leaves the sums of its part at partials[block * products], in the order of InnerProducts; the
// product of two vectors alone is of the first with the second.
struct ProductsParameters {
  Elements vectors[kMostVectors];
  int64_t length;
  double* partials;
};

// One block adds up what `blocks` others left.
struct SumProductsParameters {
  const double* partials;
  int64_t blocks;
  int32_t products;
  double* sums;
};

// One pass of a search among magnitudes.
struct MagnitudesParameters {
  MagnitudeOf of;
  const void* a;
  const void* b;
  int64_t length;
  OrderSearch* search;
  int32_t pass;
};

// Adds to `count`, which begins as 0.
struct CountParameters {
  const void* elements;
  int64_t length;
  uint64_t* count;
};

// Of ceil(length / 8) bytes.
struct MaskParameters {
  const void* elements;
  uint8_t* mask;
  int64_t length;
};

constexpr int32_t kMostStreams = 32;
// Kernels hold 2, 4, 6 or so many at once; further ones come after them, tile by tile.
constexpr int32_t kMostStreamsAtOnce = 8;

struct StreamsParameters {
  Stream streams[kMostStreams];
  int32_t count;
  int64_t length;
  uint32_t* sink;  // so that nothing that is read can be left out
};

enum class MathFunction : int32_t { kExp, kLog };

struct FunctionParameters {
  MathFunction function;
  const float* input;
  float* output;
  int64_t length;
};

// The bits of elements 0, 1, ...
struct RandomBitsParameters {
  uint64_t seed;
  uint64_t row;
  uint32_t* bits;
  int64_t length;
};

}  // namespace soul
