// Memory touched with next to no arithmetic, in the pattern of a step: the limit that steps are held against.
//
// What is written is what was read, or nothing, with its lowest bit changed by all that the same group read:
// as in a step, a store waits for the loads of its elements.
#pragma once

#include "kernels/cuda/streams.cuh"
#include "kernels/cuda/vector_parameters.h"

namespace soul {

enum class StreamTypes { kFloat32, kBFloat16, kMixed };

// At most kStreams streams from the `first`-th on.
template <StreamTypes kTypes, int kStreams>
class StreamWork {
 public:
  SOUL_DEVICE explicit StreamWork(const StreamsParameters& p) : p_(p) {}

  // More than kStreams take turns.
  SOUL_DEVICE void set_first(int32_t first) { first_ = first; }
  SOUL_DEVICE uint32_t fold() const { return fold_; }

  template <int kCount>
  struct Loaded {
    static constexpr int kWords = kTypes == StreamTypes::kBFloat16 ? (kCount + 1) / 2 : kCount;
    uint32_t words[kStreams][kWords];
  };

  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index) const {
    Loaded<kCount> loaded;
#pragma unroll
    for (int s = 0; s < kStreams; ++s) {
#pragma unroll
      for (int k = 0; k < Loaded<kCount>::kWords; ++k) loaded.words[s][k] = 0;
      if (first_ + s < p_.count && p_.streams[first_ + s].read) {
        const Elements& elements = p_.streams[first_ + s].elements;
        if (IsFloat32(elements)) {
          Keep(LoadGroup<kCount, float>(elements.data, index), loaded.words[s]);
        } else {
          Keep(LoadGroup<kCount, uint16_t>(elements.data, index), loaded.words[s]);
        }
      }
    }
    return loaded;
  }

  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& loaded) {
    constexpr int kWords = Loaded<kCount>::kWords;
    uint32_t all = 0;
#pragma unroll
    for (int s = 0; s < kStreams; ++s) {
#pragma unroll
      for (int k = 0; k < kWords; ++k) all ^= loaded.words[s][k];
    }
    fold_ ^= all;
#pragma unroll
    for (int s = 0; s < kStreams; ++s) {
      if (first_ + s < p_.count && p_.streams[first_ + s].written) {
        const Elements& elements = p_.streams[first_ + s].elements;
        if (IsFloat32(elements)) {
          StoreMarked<float, kCount>(elements, index, loaded.words[s], all & 1u);
        } else {
          StoreMarked<uint16_t, kCount>(elements, index, loaded.words[s], all & 1u);
        }
      }
    }
  }

 private:
  static SOUL_DEVICE bool IsFloat32(const Elements& elements) {
    return kTypes == StreamTypes::kFloat32 ||
           (kTypes == StreamTypes::kMixed && elements.dtype == DType::kFloat32);
  }

  template <typename Element, int kCount, int kWords>
  static SOUL_DEVICE void Keep(const Group<Element, kCount>& group, uint32_t (&words)[kWords]) {
    constexpr int kOwn = sizeof(group) / 4;
#pragma unroll
    for (int k = 0; k < kOwn && k < kWords; ++k) words[k] = group.words[k];
  }

  template <typename Element, int kCount, int kWords>
  static SOUL_DEVICE void StoreMarked(const Elements& elements, int64_t index,
                                      const uint32_t (&words)[kWords], uint32_t mark) {
    Group<Element, kCount> group;
    constexpr int kOwn = sizeof(group) / 4;
#pragma unroll
    for (int k = 0; k < kOwn && k < kWords; ++k) group.words[k] = words[k] ^ mark;
    StoreGroup(elements.data, index, group);
  }

  const StreamsParameters& p_;
  int32_t first_ = 0;
  uint32_t fold_ = 0;
};

// Streams beyond kMostStreamsAtOnce take their turn after each tile of the others.
template <StreamTypes kTypes, int kStreams>
SOUL_DEVICE void WalkStreams(const StreamsParameters& p) {
  constexpr int32_t kGroup = kTypes == StreamTypes::kBFloat16 ? kNarrowGroup : kMixedGroup;
  CommonHead<kGroup> head;
  for (int32_t s = 0; s < p.count; ++s) {
    head.Add(p.streams[s].elements.data, p.streams[s].elements.dtype == DType::kFloat32 ? 4 : 2);
  }
  const Cut cut = CutOf(0, p.length, head.head(), kGroup);
  StreamWork<kTypes, kStreams> work(p);
  if constexpr (kStreams < kMostStreamsAtOnce) {
    WalkTiles<kGroup>(cut, work);
  } else {
    const int64_t tiles = TilesIn(p.length, ThreadCount());
    for (int64_t tile = BlockIndex(); tile < tiles; tile += BlockCount()) {
      for (int32_t first = 0; first < p.count; first += kStreams) {
        work.set_first(first);
        WalkTile<kGroup>(cut, tile, work);
      }
    }
  }
  // Next to never, but nobody can know beforehand.
  if (work.fold() == 0x9e3779b9u) *p.sink = work.fold();
}

}  // namespace soul
