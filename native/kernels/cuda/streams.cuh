// The frame of every kernel that walks memory: neighbouring threads take neighbouring groups of elements, 16
// bytes at a time where all streams allow it, and have all loads of a tile under way before the first store.
//
// A kernel's work is a class with
//   template <int kCount> struct Loaded;                         what it reads of kCount elements
//   template <int kCount> Loaded<kCount> Load(int64_t index);
//   template <int kCount> void Finish(int64_t index, const Loaded<kCount>& loaded);
// for kCount = kGroup and 1, of elements [index, index + kCount); what it counts lies in its members. Where
// some of the elements are frozen (MaskedWork) it has further
//   FrozenMask mask() const;
//   template <int kCount> Loaded<kCount> Load(int64_t index, uint32_t frozen);    instead: FrozenBits
//   template <int kCount> void Skip(int64_t index);              instead of both where all kCount are frozen
#pragma once

#include <cstdint>

#include "kernels/cuda/device.h"
#include "kernels/cuda/tiles.h"
#include "kernels/memory.h"
#include "kernels/random.h"
#include "kernels/storage.h"

namespace soul {

// Elements of a group: where something of 4 bytes is among the streams 4, else 8.
constexpr int32_t kMixedGroup = 4;
constexpr int32_t kNarrowGroup = 8;

// kCount elements as they lie in memory, in registers: indices must be known when compiling (unrolled loops).
template <typename Element, int kCount>
struct Group;

template <int kCount>
struct Group<float, kCount> {
  uint32_t words[kCount];

  SOUL_DEVICE float Value(int i) const { return FloatFromBits(words[i]); }
  SOUL_DEVICE uint32_t Bits(int i) const { return words[i]; }
  SOUL_DEVICE void Put(int i, uint32_t bits) { words[i] = bits; }
};

template <int kCount>
struct Group<uint16_t, kCount> {
  uint32_t words[(kCount + 1) / 2];

  SOUL_DEVICE float Value(int i) const {
    return FloatFromBits(i % 2 == 0 ? words[i / 2] << 16 : words[i / 2] & 0xffff0000u);
  }
  SOUL_DEVICE uint32_t Bits(int i) const { return i % 2 == 0 ? words[i / 2] & 0xffffu : words[i / 2] >> 16; }
  // The first of a pair before the second.
  SOUL_DEVICE void Put(int i, uint32_t bits) {
    words[i / 2] = i % 2 == 0 ? bits : (words[i / 2] & 0xffffu) | bits << 16;
  }
};

// What is not a single element must be aligned to its own size, or to 16 bytes.
template <int kCount, typename Element>
SOUL_DEVICE Group<Element, kCount> LoadGroup(const void* elements, int64_t index) {
  Group<Element, kCount> group;
  const auto* const from = static_cast<const Element*>(elements) + index;
  constexpr int kWords = sizeof(group) / 4;
  if constexpr (kCount == 1) {
    if constexpr (sizeof(Element) == 4) {
      group.words[0] = FloatBits(*from);
    } else {
      group.words[0] = *from;
    }
  } else if constexpr (kWords == 2) {
    const Words2 two = LoadWords2(from);
    group.words[0] = two.words[0];
    group.words[1] = two.words[1];
  } else {
    static_assert(kWords % 4 == 0);
#pragma unroll
    for (int k = 0; k < kWords; k += 4) {
      const Words4 four = LoadWords4(from + k * 4 / static_cast<int>(sizeof(Element)));
#pragma unroll
      for (int i = 0; i < 4; ++i) group.words[k + i] = four.words[i];
    }
  }
  return group;
}

template <typename Element, int kCount>
SOUL_DEVICE void StoreGroup(void* elements, int64_t index, const Group<Element, kCount>& group) {
  auto* const to = static_cast<Element*>(elements) + index;
  constexpr int kWords = sizeof(group) / 4;
  if constexpr (kCount == 1) {
    if constexpr (sizeof(Element) == 4) {
      *to = FloatFromBits(group.words[0]);
    } else {
      *to = static_cast<uint16_t>(group.words[0]);
    }
  } else if constexpr (kWords == 2) {
    Store(to, Words2{{group.words[0], group.words[1]}});
  } else {
    static_assert(kWords % 4 == 0);
#pragma unroll
    for (int k = 0; k < kWords; k += 4) {
      Store(to + k * 4 / static_cast<int>(sizeof(Element)),
            Words4{{group.words[k], group.words[k + 1], group.words[k + 2], group.words[k + 3]}});
    }
  }
}

template <typename Element, int kCount>
SOUL_DEVICE void StoreZeros(void* elements, int64_t index) {
  Group<Element, kCount> group;
#pragma unroll
  for (int k = 0; k < static_cast<int>(sizeof(group) / 4); ++k) group.words[k] = 0;
  StoreGroup(elements, index, group);
}

// The bits of x as an element; the lower 16 of `random` round a bfloat16 where that is done at random.
template <typename Element>
SOUL_DEVICE uint32_t RoundedBits(float x, bool stochastic, uint32_t random) {
  if constexpr (sizeof(Element) == 4) {
    return FloatBits(x);
  } else {
    return stochastic ? BFloat16Stochastic::Round(x, random) : BFloat16Nearest::Round(x, 0);
  }
}

// An element's bits as the float that they stand for.
template <typename Element>
SOUL_DEVICE float ValueOfBits(uint32_t bits) {
  return FloatFromBits(sizeof(Element) == 4 ? bits : bits << 16);
}

// FrozenBits where all are frozen.
template <int kCount>
constexpr uint32_t kAllFrozen = (1u << kCount) - 1u;

// Bit i is set where weight index + i is frozen, of kCount <= 8 that the mask holds.
template <int kCount>
SOUL_DEVICE uint32_t FrozenBits(FrozenMask mask, int64_t index) {
  if (mask == nullptr) return 0;
  // Unsigned: an index is never negative, which the compiler does not know.
  const auto byte = static_cast<uint64_t>(index) / 8;
  const auto offset = static_cast<int32_t>(static_cast<uint64_t>(index) % 8);
  uint32_t bits = mask[byte];
  if (offset + kCount > 8) bits |= static_cast<uint32_t>(mask[byte + 1]) << 8;
  return bits >> offset & kAllFrozen<kCount>;
}

template <typename Work>
concept MaskedWork = requires(const Work& work) { work.mask(); };

// FrozenBits of what a work walks.
template <int kCount, typename Work>
SOUL_DEVICE uint32_t FrozenBitsOf(const Work& work, int64_t index) {
  if constexpr (MaskedWork<Work>) {
    return FrozenBits<kCount>(work.mask(), index);
  } else {
    return 0;
  }
}

template <int kCount, typename Work>
SOUL_DEVICE auto LoadOf(Work& work, int64_t index, uint32_t frozen) {
  if constexpr (MaskedWork<Work>) {
    return work.template Load<kCount>(index, frozen);
  } else {
    return work.template Load<kCount>(index);
  }
}

template <int kCount, typename Work>
SOUL_DEVICE void SkipOf(Work& work, int64_t index) {
  if constexpr (MaskedWork<Work>) work.template Skip<kCount>(index);
}

// The random bits of elements, whose key is that of the upper half of their index: kept until that changes.
class Draws {
 public:
  SOUL_DEVICE Draws(const Rounding& rounding, Purpose purpose)
      : rounding_(rounding), purpose_(purpose), key_(rounding.stochastic ? KeyFor(0) : RandomKey{}) {}

  SOUL_DEVICE bool stochastic() const { return rounding_.stochastic; }

  // Of elements [index, index + kCount); zeros where nothing is rounded at random.
  template <int kCount>
  SOUL_DEVICE void Fill(int64_t index, uint32_t (&bits)[kCount]) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) bits[i] = 0;
    if (!rounding_.stochastic) return;
    const auto upper = static_cast<uint32_t>(index >> 32);
    if (upper != upper_) {
      upper_ = upper;
      key_ = KeyFor(upper);
    }
    const auto lower = static_cast<uint32_t>(index);
#pragma unroll
    for (int i = 0; i < kCount; ++i) bits[i] = RoundingBits(key_, lower + static_cast<uint32_t>(i));
    if (kCount == 1 || lower <= 0xffffffffu - (kCount - 1)) return;
    // The group lies across a boundary of the upper half.
    const RandomKey next = KeyFor(upper + 1);
#pragma unroll
    for (int i = 1; i < kCount; ++i) {
      const uint32_t element = lower + static_cast<uint32_t>(i);
      if (element < lower) bits[i] = RoundingBits(next, element);
    }
  }

 private:
  SOUL_DEVICE RandomKey KeyFor(uint32_t upper) const {
    return RoundingKey(rounding_.seed, purpose_, rounding_.count, upper);
  }

  const Rounding rounding_;
  const Purpose purpose_;
  uint32_t upper_ = 0;
  RandomKey key_;
};

// One tile of a range.
template <int kGroup, typename Work>
SOUL_DEVICE void WalkTile(const Cut& cut, int64_t tile, Work& work) {
  constexpr int kRounds = kElementsPerThread / kGroup;
  const int32_t threads = ThreadCount();
  const int32_t thread = ThreadIndex();
  if (cut.groups > 0) {
    typename Work::template Loaded<kGroup> loaded[kRounds];
    // The masks first, so that loads need not wait for one round's after another's. What is frozen as a whole
    // is not read.
    uint32_t frozen[kRounds];
#pragma unroll
    for (int round = 0; round < kRounds; ++round) {
      const int64_t group = GroupOfTile(kGroup, tile, threads, thread, round);
      frozen[round] =
          group < cut.groups ? FrozenBitsOf<kGroup>(work, cut.first + group * kGroup) : kAllFrozen<kGroup>;
    }
#pragma unroll
    for (int round = 0; round < kRounds; ++round) {
      const int64_t group = GroupOfTile(kGroup, tile, threads, thread, round);
      if (frozen[round] != kAllFrozen<kGroup>) {
        loaded[round] = LoadOf<kGroup>(work, cut.first + group * kGroup, frozen[round]);
      }
    }
#pragma unroll
    for (int round = 0; round < kRounds; ++round) {
      const int64_t group = GroupOfTile(kGroup, tile, threads, thread, round);
      if (frozen[round] != kAllFrozen<kGroup>) {
        work.template Finish<kGroup>(cut.first + group * kGroup, loaded[round]);
      } else if (group < cut.groups) {
        SkipOf<kGroup>(work, cut.first + group * kGroup);
      }
    }
  }
  const int64_t singles = SinglesInTile(cut, kGroup, tile, threads);
  for (int64_t i = thread; i < singles; i += threads) {
    const int64_t index = SingleOfTile(cut, kGroup, tile, threads, i);
    const uint32_t frozen = FrozenBitsOf<1>(work, index);
    if (frozen != kAllFrozen<1>) {
      work.template Finish<1>(index, LoadOf<1>(work, index, frozen));
    } else {
      SkipOf<1>(work, index);
    }
  }
}

// All tiles of a range, shared out over the grid.
template <int kGroup, typename Work>
SOUL_DEVICE void WalkTiles(const Cut& cut, Work& work) {
  const int64_t tiles = TilesIn(cut.end - cut.begin, ThreadCount());
  for (int64_t tile = BlockIndex(); tile < tiles; tile += BlockCount()) WalkTile<kGroup>(cut, tile, work);
}

}  // namespace soul
