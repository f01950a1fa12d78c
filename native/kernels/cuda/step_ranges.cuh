// Ranges of weights that one launch walks, each with settings of its own, and what a step counts of them.
#pragma once

#include "kernels/cuda/gradient_scan.cuh"
#include "kernels/cuda/optimizer_parameters.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/streams.cuh"

namespace soul {

// Every tile of every range, shared out over the grid. The work of streams.cuh, and further:
//   static constexpr int kGroup;
//   int32_t Head(int64_t begin);                 of a range that begins there (CommonHead)
//   void Begin(const StepRange&); void End(int32_t range);   around the tiles that the block has of a range
template <typename Work>
SOUL_DEVICE void WalkRanges(const StepRanges& ranges, Work& work) {
  constexpr int kGroup = Work::kGroup;
  int32_t at = -1;
  Cut cut{};
  for (int64_t tile = BlockIndex(); tile < ranges.tiles; tile += BlockCount()) {
    const int32_t range = RangeOfTile(ranges, tile, at < 0 ? 0 : at);
    const StepRange& own = ranges.ranges[range];
    if (range != at) {
      if (at >= 0) work.End(at);
      at = range;
      work.Begin(own);
      cut = CutOf(own.begin, own.end, work.Head(own.begin), kGroup);
    }
    WalkTile<kGroup>(cut, tile - own.first_tile, work);
  }
  if (at >= 0) work.End(at);
}

// Stands where a kernel has no such stream.
struct NoGroup {};

template <bool kPresent, typename Element, int kCount>
using GroupIf = std::conditional_t<kPresent, Group<Element, kCount>, NoGroup>;

// What a step counts.
struct StepTally {
  uint32_t stepped = 0;
  uint32_t clipped = 0;
  uint32_t changed = 0;
  double square_sum = 0;

  // Adds the counts of a range to those of all blocks, and begins anew.
  SOUL_DEVICE void Leave(uint64_t* counts) {
    AddBlockCount(counts, stepped);
    AddBlockCount(counts + 1, clipped);
    AddBlockCount(counts + 2, changed);
    stepped = clipped = changed = 0;
  }

  SOUL_DEVICE void LeaveSquares(double* square_sums) const {
    if (square_sums == nullptr) return;
    const double sum = BlockSum(square_sum);
    if (ThreadIndex() == 0) square_sums[BlockIndex()] = sum;
  }
};

// The values' side of a step: float32, or bfloat16, or bfloat16 that copies a float32 master. Of copies only
// those are read among which some are frozen: these stay as they are.
template <typename Value, bool kMaster, int kCount>
struct LoadedParameters {
  Group<Value, kCount> values;
  GroupIf<kMaster, float, kCount> master;
  Group<Value, kCount> gradients;
  uint32_t frozen;

  template <typename Parameters>
  SOUL_DEVICE void Load(const Parameters& parameters, int64_t index, uint32_t frozen_bits) {
    if constexpr (kMaster) {
      values = {};
      if (frozen_bits != 0) values = LoadGroup<kCount, Value>(parameters.values, index);
      master = LoadGroup<kCount, float>(parameters.master, index);
    } else {
      values = LoadGroup<kCount, Value>(parameters.values, index);
    }
    gradients = LoadGroup<kCount, Value>(parameters.gradients, index);
    frozen = frozen_bits;
  }

  SOUL_DEVICE float Old(int i) const {
    if constexpr (kMaster) {
      return master.Value(i);
    } else {
      return values.Value(i);
    }
  }
  // The bits of a value that is not frozen.
  SOUL_DEVICE uint32_t OldBits(int i) const {
    if constexpr (kMaster) {
      return RoundedBits<Value>(master.Value(i), false, 0);
    } else {
      return values.Bits(i);
    }
  }
  SOUL_DEVICE bool IsFrozen(int i) const { return (frozen >> i & 1u) != 0; }
};

// Values as a step leaves them.
template <typename Value, bool kMaster, int kCount>
struct SteppedParameters {
  Group<Value, kCount> values;
  GroupIf<kMaster, float, kCount> master;

  // Values before their copies are rounded; a master's copy is the nearest.
  SOUL_DEVICE void Put(int i, float value, const LoadedParameters<Value, kMaster, kCount>& loaded,
                       bool stochastic, uint32_t random, StepTally* tally) {
    const bool frozen = loaded.IsFrozen(i);
    const uint32_t rounded = RoundedBits<Value>(value, stochastic && !kMaster, random);
    values.Put(i, frozen ? loaded.values.Bits(i) : rounded);
    if constexpr (kMaster) master.Put(i, frozen ? loaded.master.Bits(i) : FloatBits(value));
    tally->stepped += frozen ? 0 : 1;
    tally->changed += !frozen && rounded != loaded.OldBits(i) ? 1 : 0;
  }

  template <typename Parameters>
  SOUL_DEVICE void Store(const Parameters& parameters, int64_t index) const {
    StoreGroup(parameters.values, index, values);
    if constexpr (kMaster) StoreGroup(parameters.master, index, master);
    if (parameters.zero_gradients) StoreZeros<Value, kCount>(parameters.gradients, index);
  }
};

}  // namespace soul
