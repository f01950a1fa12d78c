// How a range of elements is cut up for a grid of threads: index arithmetic alone, so it can be checked for
// any length without memory.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"

namespace soul {

// Elements that a thread takes of one tile: as many loads as it has under way at once.
constexpr int32_t kElementsPerThread = 8;

SOUL_HOST_DEVICE int64_t TileLength(int32_t threads) {
  return int64_t{threads} * kElementsPerThread;
}

// Tiles that blocks of so many threads cut a range into.
SOUL_HOST_DEVICE int64_t TilesIn(int64_t length, int32_t threads) {
  return (length + TileLength(threads) - 1) / TileLength(threads);
}

// How many elements of a range come one by one before the first that begins a group of `kGroup` aligned
// elements in every stream.
template <int32_t kGroup>
class CommonHead {
 public:
  // The address of the range's first element in one stream, a multiple of the element's size.
  SOUL_HOST_DEVICE void Add(const void* address, int32_t element_size) {
    const auto bytes = static_cast<int32_t>(reinterpret_cast<uintptr_t>(address) %
                                            static_cast<uintptr_t>(kGroup * element_size));
    const int32_t head = (kGroup - bytes / element_size) % kGroup;
    head_ = head_ == kAny || head_ == head ? head : kNone;
  }

  // Below 0 where no group begins at an aligned address in all of them.
  SOUL_HOST_DEVICE int32_t head() const { return head_ == kAny ? 0 : head_; }

 private:
  static constexpr int32_t kAny = -2;
  static constexpr int32_t kNone = -1;
  int32_t head_ = kAny;
};

// [begin, end) as single elements, groups from `first` on, and single elements again. Without groups all are
// single.
struct Cut {
  int64_t begin;
  int64_t end;
  int64_t first;
  int64_t groups;
};

SOUL_HOST_DEVICE Cut CutOf(int64_t begin, int64_t end, int32_t head, int32_t group) {
  if (head < 0 || end - begin < head + group) return {begin, end, end, 0};
  return {begin, end, begin + head, (end - begin - head) / group};
}

// Single elements that belong to a tile: before and after all groups they are the first tile's.
SOUL_HOST_DEVICE int64_t SinglesInTile(const Cut& cut, int32_t group, int64_t tile, int32_t threads) {
  if (cut.groups > 0) return tile == 0 ? cut.end - cut.begin - cut.groups * group : 0;
  const int64_t rest = cut.end - cut.begin - tile * TileLength(threads);
  return rest < TileLength(threads) ? rest : TileLength(threads);
}

// The index of the `i`-th single element of a tile.
SOUL_HOST_DEVICE int64_t SingleOfTile(const Cut& cut, int32_t group, int64_t tile, int32_t threads,
                                      int64_t i) {
  if (cut.groups == 0) return cut.begin + tile * TileLength(threads) + i;
  return cut.begin + i < cut.first ? cut.begin + i : cut.begin + i + cut.groups * group;
}

// The number of a thread's `round`-th group of a tile; the tile has it where it is below cut.groups.
SOUL_HOST_DEVICE int64_t GroupOfTile(int32_t group, int64_t tile, int32_t threads, int32_t thread,
                                     int32_t round) {
  return tile * (TileLength(threads) / group) + int64_t{round} * threads + thread;
}

}  // namespace soul
