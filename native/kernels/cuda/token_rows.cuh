// How blocks walk rows of logits, and what a warp adds up on the way.
//
// A row is cut into groups of 4 logits at boundaries of 16 bytes, in bfloat16 of 8, so that all but the first
// and the last group are one access each wherever the row begins. What of these two lies outside the row is
// read as -infinity: a masked token, which takes no part in anything. Groups of as many logits in both dtypes
// make sums that have the same order, and so the same bits.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cuda/device.h"
#include "kernels/cuda/streams.cuh"
#include "kernels/cuda/token_parameters.h"
#include "kernels/token_loss.h"

namespace soul {

// Logits of a tile that one thread holds in registers.
constexpr int kTokens = 4 * kTokenGroups;

// Where a thread's logits of one tile stand in their row. A vocabulary is below 2^31, and so 32 bits are
// enough: whatever lies outside the row, before it too, has an index that is no less than the vocabulary.
struct TokenPlace {
  uint32_t first;   // index of the first
  uint32_t stride;  // from one of the thread's groups to the next
  bool whole;       // all lie in the row

  SOUL_DEVICE uint32_t Index(int i) const {
    return first + static_cast<uint32_t>(i / 4) * stride + static_cast<uint32_t>(i % 4);
  }
};

template <typename Element>
SOUL_DEVICE Element* RowOf(const SoulTokenRows& rows, int64_t row) {
  return static_cast<Element*>(rows.logits) + row * rows.stride;
}

// Logits that the first group lacks.
template <typename Element>
SOUL_DEVICE uint32_t MissingBefore(const Element* row) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(row) / sizeof(Element) % 4);
}

template <typename Element>
SOUL_DEVICE TokenPlace PlaceInTile(const Element* row, uint32_t vocabulary, int32_t tile) {
  const uint32_t stride = static_cast<uint32_t>(ThreadCount()) * 4;
  const uint32_t first = static_cast<uint32_t>(tile) * (stride * kTokenGroups) +
                         static_cast<uint32_t>(ThreadIndex()) * 4 - MissingBefore(row);
  return {first, stride, first < vocabulary && first + (kTokenGroups - 1) * stride + 3 < vocabulary};
}

template <typename Element>
SOUL_DEVICE float LogitAt(const Element* row, uint32_t index) {
  return LoadGroup<1, Element>(row, index).Value(0);
}

// x as an element, rounded to the nearest.
template <typename Element>
SOUL_DEVICE void StoreOne(Element* row, uint32_t index, float x) {
  Group<Element, 1> one;
  one.Put(0, RoundedBits<Element>(x, false, 0));
  StoreGroup(row, index, one);
}

// Of one logit the dtype may be looked up.
SOUL_DEVICE float LogitOf(const SoulTokenRows& rows, int64_t row, int32_t token) {
  const auto index = static_cast<uint32_t>(token);
  return rows.dtype == SOUL_FLOAT32 ? LogitAt(RowOf<float>(rows, row), index)
                                    : LogitAt(RowOf<uint16_t>(rows, row), index);
}
SOUL_DEVICE void StoreLogit(const SoulTokenRows& rows, int64_t row, int32_t token, float x) {
  const auto index = static_cast<uint32_t>(token);
  if (rows.dtype == SOUL_FLOAT32) {
    StoreOne(RowOf<float>(rows, row), index, x);
  } else {
    StoreOne(RowOf<uint16_t>(rows, row), index, x);
  }
}

// Calls work(tile) for the tiles of a part.
template <typename Work>
SOUL_DEVICE void ForTiles(const TokenParts& split, int32_t part, const Work& work) {
  const int32_t begin = part * split.tiles;
  const int32_t end = part + 1 < split.parts ? begin + split.tiles : split.all_tiles;
  for (int32_t tile = begin; tile < end; ++tile) work(tile);
}

// Groups are aligned in the row that the place is of; not so in another row where `aligned` is false.
template <typename Element>
SOUL_DEVICE void LoadTile(const Element* row, uint32_t vocabulary, const TokenPlace& place, bool aligned,
                          float (&values)[kTokens]) {
  if (place.whole && aligned) {
#pragma unroll
    for (int i = 0; i < kTokens; i += 4) {
      const Group<Element, 4> four = LoadGroup<4, Element>(row, place.Index(i));
#pragma unroll
      for (int j = 0; j < 4; ++j) values[i + j] = four.Value(j);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kTokens; ++i) {
    const uint32_t index = place.Index(i);
    values[i] = index < vocabulary ? LogitAt(row, index) : -Infinity();
  }
}

// The token of a row that is shifted: one that no row has where none is.
SOUL_DEVICE uint32_t ShiftedLabel(const ShiftedLabels& shifted, int64_t row) {
  return shifted.labels != nullptr ? static_cast<uint32_t>(shifted.labels[row]) : UINT32_MAX;
}

SOUL_DEVICE void Shift(const TokenPlace& place, uint32_t label, float by, float (&values)[kTokens]) {
#pragma unroll
  for (int i = 0; i < kTokens; i += 4) {
    const uint32_t at = label - place.Index(i);
    if (at < 4) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        values[i + j] = static_cast<uint32_t>(j) == at ? values[i + j] + by : values[i + j];
      }
    }
  }
}

// Those of four logits from `index` on that lie in the row, rounded to the nearest.
template <typename Element>
SOUL_DEVICE void StoreFour(Element* row, uint32_t vocabulary, uint32_t index, const float* values) {
  if (index < vocabulary && index + 3 < vocabulary) {
    Group<Element, 4> four;
#pragma unroll
    for (int i = 0; i < 4; ++i) four.Put(i, RoundedBits<Element>(values[i], false, 0));
    StoreGroup(row, index, four);
    return;
  }
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) {
    if (index + i < vocabulary) StoreOne(row, index + i, values[i]);
  }
}

// NaN is passed over.
SOUL_DEVICE float LargestOf(const float (&values)[kTokens]) {
  float largest = values[0];
#pragma unroll
  for (int i = 1; i < kTokens; ++i) largest = ::fmaxf(largest, values[i]);
  return largest;
}

// In four lanes: few roundings meet.
SOUL_DEVICE float SumOf(const float (&terms)[kTokens]) {
  float sums[4];
#pragma unroll
  for (int i = 0; i < kTokens; ++i) sums[i % 4] = i < 4 ? terms[i] : sums[i % 4] + terms[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Over the lanes of a warp, for each of them.
SOUL_DEVICE float WarpLargest(float value) {
#pragma unroll
  for (int32_t lanes = kWarp / 2; lanes > 0; lanes /= 2) value = ::fmaxf(value, ShuffleXor(value, lanes));
  return value;
}
SOUL_DEVICE int32_t WarpLeast(int32_t value) {
#pragma unroll
  for (int32_t lanes = kWarp / 2; lanes > 0; lanes /= 2) {
    const int32_t other = ShuffleXor(value, lanes);
    value = other < value ? other : value;
  }
  return value;
}
SOUL_DEVICE double WarpSum(double value) {
#pragma unroll
  for (int32_t lanes = kWarp / 2; lanes > 0; lanes /= 2) value += ShuffleXor(value, lanes);
  return value;
}

constexpr float kNoReference = -0x1.fffffep127f;

// Moves the warp's reference to the largest logit of a tile where one is more than 1 above it. Returns what
// is to be added to differences from the reference: 0 or less.
SOUL_DEVICE float Rise(float largest, float* reference) {
  if (Ballot(largest > *reference + 1.0f) == 0) return 0.0f;
  const float before = *reference;
  *reference = WarpLargest(largest);
  return before - *reference;
}

// Below it Exp is 0.
constexpr float kLeastExponent = -104.0f;

// logit - reference, no less than kLeastExponent; NaN for NaN.
SOUL_DEVICE float Difference(float logit, float reference) {
  const float d = logit - reference;
  return d < kLeastExponent ? kLeastExponent : d;
}

// Exp(x) to the bit for x in [-104, 24], in fewer operations: powers of two that may be denormal are 2^64
// times too large until the last product.
SOUL_DEVICE float ExpOfDifference(float x) {
  const ReducedExponent reduced = ReduceExponent(x);
  return ExpOfRest(reduced.rest) * PowerOfTwo(reduced.exponent + 64u) * 0x1p-64f;
}

// NaN for a row without a token, masked ones apart.
SOUL_DEVICE float LogOfSum(double sum) {
  return sum > 0 ? Log(static_cast<float>(sum)) : NotANumber();
}

// Calls work(row, part) for what this block takes.
template <typename Work>
SOUL_DEVICE void ForParts(const TokenParts& split, const Work& work) {
  for (int64_t item = BlockIndex(); item < split.items; item += BlockCount()) {
    work(item / split.parts, static_cast<int32_t>(item % split.parts));
  }
}

// Calls work(row) for what this warp takes: a row each.
template <typename Work>
SOUL_DEVICE void ForRowsOfWarp(int64_t rows, const Work& work) {
  const int64_t warps = ThreadCount() / kWarp;
  const int64_t first = BlockIndex() * warps + ThreadIndex() / kWarp;
  for (int64_t row = first; row < rows; row += BlockCount() * warps) work(row);
}

}  // namespace soul
