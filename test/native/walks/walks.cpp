// What no emulated run shows: that every element of a long range has one thread (by index arithmetic alone),
// and what becomes of the NaN that a GPU's arithmetic gives.
// Prints what is wrong; test/cuda/walks.test.ts builds and runs it.
#include <cstdint>
#include <cstdio>
#include <map>
#include <random>
#include <vector>

#include "kernels/cuda/optimizer_parameters.h"
#include "kernels/cuda/pairs.cuh"
#include "kernels/cuda/streams.cuh"

namespace soul {
namespace {

int failures = 0;

template <typename... Values>
void Expect(bool holds, const char* sentence, Values... values) {
  if (holds || ++failures > 20) return;
  std::printf(sentence, values...);
  std::printf("\n");
}

// Notes which elements are loaded and finished, and in groups of how many.
struct Notes {
  template <int kCount>
  struct Loaded {
    int64_t index;
  };
  template <int kCount>
  Loaded<kCount> Load(int64_t index) {
    return {index};
  }
  template <int kCount>
  void Finish(int64_t index, const Loaded<kCount>& loaded) {
    Expect(loaded.index == index, "element %lld was finished with another's load", (long long)index);
    for (int i = 0; i < kCount; ++i) ++visits[index + i];
    if (kCount > 1) groups.push_back(index);
  }
  std::map<int64_t, int> visits;
  std::vector<int64_t> groups;
};

// The same where some are frozen: what is frozen as a whole is skipped instead of loaded.
struct MaskedNotes : Notes {
  FrozenMask mask() const { return frozen; }
  template <int kCount>
  Loaded<kCount> Load(int64_t index, uint32_t bits) {
    Expect(bits == FrozenBits<kCount>(frozen, index) && bits != kAllFrozen<kCount>,
           "%d frozen elements from %lld on are loaded", kCount, (long long)index);
    return {index};
  }
  template <int kCount>
  void Skip(int64_t index) {
    Expect(FrozenBits<kCount>(frozen, index) == kAllFrozen<kCount>, "%d elements from %lld on are skipped",
           kCount, (long long)index);
    for (int i = 0; i < kCount; ++i) ++skips[index + i];
  }
  FrozenMask frozen = nullptr;
  std::map<int64_t, int> skips;
};

template <int kGroup>
void CheckMaskedRanges() {
  constexpr int64_t kLength = 700;
  std::vector<uint8_t> mask(kLength / 8 + 2);
  for (std::size_t byte = 0; byte < mask.size(); ++byte) {
    mask[byte] = byte % 24 < 8 ? 0xff : byte % 24 < 16 ? 0 : static_cast<uint8_t>(byte * 37);
  }
  for (int32_t head = -1; head < kGroup; ++head) {
    for (const FrozenMask frozen : {static_cast<FrozenMask>(mask.data()), FrozenMask{nullptr}}) {
      MaskedNotes notes;
      notes.frozen = frozen;
      place = {0, kWarp, 0, 1};
      for (; place.thread < kWarp; ++place.thread) {
        WalkTiles<kGroup>(CutOf(0, kLength, head, kGroup), notes);
      }
      for (int64_t i = 0; i < kLength; ++i) {
        Expect(notes.visits[i] + notes.skips[i] == 1, "element %lld: %d visits, %d skips", (long long)i,
               notes.visits[i], notes.skips[i]);
      }
      // A tensor's middle.
      Expect(notes.skips[224] == (frozen == nullptr ? 0 : 1), "what is frozen is visited");
    }
  }
}

// What one tile visits, by all threads.
template <int kGroup>
Notes VisitsOfTile(const Cut& cut, int64_t tile, int32_t threads) {
  Notes notes;
  for (place = {0, threads, 0, 1}; place.thread < threads; ++place.thread) {
    WalkTile<kGroup>(cut, tile, notes);
  }
  return notes;
}

// Whole grids over short ranges.
template <int kGroup>
void CheckShortRanges() {
  for (int64_t length = 0; length < 700; length = length < 40 ? length + 1 : length * 5 / 4) {
    for (int32_t head = -1; head < kGroup; ++head) {
      for (const int64_t begin : {int64_t{0}, int64_t{3}, (int64_t{1} << 32) - 17}) {
        for (const int64_t blocks : {1, 2, 7}) {
          const Cut cut = CutOf(begin, begin + length, head, kGroup);
          Notes notes;
          for (place = {0, kWarp, 0, blocks}; place.block < blocks; ++place.block) {
            for (place.thread = 0; place.thread < kWarp; ++place.thread) WalkTiles<kGroup>(cut, notes);
          }
          Expect(static_cast<int64_t>(notes.visits.size()) == length, "%d by %d of %lld: %zu visited", head,
                 kGroup, (long long)length, notes.visits.size());
          for (const auto& [index, count] : notes.visits) {
            Expect(count == 1 && index >= begin && index < begin + length, "element %lld: %d visits",
                   (long long)index, count);
          }
          for (const int64_t index : notes.groups) {
            Expect(head >= 0 && (index - begin - head) % kGroup == 0, "a group at %lld is not aligned",
                   (long long)index);
          }
          const bool grouped = head >= 0 && length >= head + kGroup;
          Expect(notes.groups.empty() != grouped, "%lld elements, head %d: groups or none", (long long)length,
                 head);
        }
      }
    }
  }
}

// Single tiles of long ranges: their first and last ones, and some between. Each visits what lies between its
// neighbours' elements, and all together as many as there are.
template <int kGroup>
void CheckLongRanges() {
  std::mt19937_64 random(5);
  for (const int64_t length : {(int64_t{1} << 31) + 13, (int64_t{1} << 32) + 1, (int64_t{1} << 37) + 4095}) {
    for (const int64_t begin : {int64_t{0}, (int64_t{1} << 31) - 3, (int64_t{1} << 40) + 5}) {
      for (const int32_t head : {-1, 0, 3}) {
        for (const int32_t threads : {32, 96, 512}) {
          const Cut cut = CutOf(begin, begin + length, head, kGroup);
          const int64_t tiles = TilesIn(length, threads);
          Expect(tiles * TileLength(threads) >= length && (tiles - 1) * TileLength(threads) < length,
                 "%lld elements in %lld tiles", (long long)length, (long long)tiles);
          for (const int64_t tile :
               {int64_t{1}, tiles - 2, tiles - 1, static_cast<int64_t>(random() % tiles)}) {
            const Notes notes = VisitsOfTile<kGroup>(cut, tile, threads);
            const int64_t from = (head < 0 ? begin : begin + head) + tile * TileLength(threads);
            // Groups end before the tail, which the first tile has.
            const int64_t last = head < 0 ? begin + length : cut.first + cut.groups * kGroup;
            const int64_t to = from + TileLength(threads) < last ? from + TileLength(threads) : last;
            const int64_t wanted = to > from ? to - from : 0;
            const auto found = static_cast<int64_t>(notes.visits.size());
            Expect(found == wanted, "tile %lld of %lld: %lld visited, not %lld", (long long)tile,
                   (long long)tiles, (long long)found, (long long)wanted);
            if (found == 0) continue;
            Expect(notes.visits.begin()->first == from && notes.visits.rbegin()->first == to - 1,
                   "tile %lld begins at %lld, not %lld", (long long)tile,
                   (long long)notes.visits.begin()->first, (long long)from);
          }
          // Head and tail.
          const Notes first = VisitsOfTile<kGroup>(cut, 0, threads);
          Expect(first.visits.count(begin) == 1 && (head < 0 || first.visits.count(begin + length - 1) == 1 ||
                                                    cut.first + cut.groups * kGroup == begin + length),
                 "the first tile lacks the head or the tail of %lld elements", (long long)length);
          Expect(VisitsOfTile<kGroup>(cut, tiles, threads).visits.empty(), "there is one more tile than %lld",
                 (long long)tiles);
        }
      }
    }
  }
}

void CheckRanges() {
  StepRanges ranges{};
  const int64_t lengths[] = {0, int64_t{1} << 33, 5, 0, 0, (int64_t{1} << 31) + 1, 1, 0};
  for (const int64_t length : lengths) {
    ranges.ranges[ranges.count++] = {0, length, ranges.tiles, 1, 1};
    ranges.tiles += TilesIn(length, 256);
  }
  int32_t at = 0;
  for (int64_t tile = 0; tile < ranges.tiles; tile += tile % 977 + 1) {
    at = RangeOfTile(ranges, tile, at);
    const StepRange& range = ranges.ranges[at];
    const int64_t own = tile - range.first_tile;
    Expect(own >= 0 && own < TilesIn(range.end, 256), "tile %lld is not of range %d", (long long)tile, at);
  }
  Expect(RangeOfTile(ranges, ranges.tiles - 1, 0) == 6,
         "the last tile is not of the last range that has one");
}

void CheckHeads() {
  for (uintptr_t address = 4096; address < 4096 + 64; address += 4) {
    CommonHead<4> four;
    four.Add(reinterpret_cast<void*>(address), 4);
    Expect(four.head() >= 0 && four.head() < 4 && (address + four.head() * 4) % 16 == 0, "head of %zu",
           address);
    CommonHead<8> eight;
    eight.Add(reinterpret_cast<void*>(address), 2);
    Expect(eight.head() >= 0 && eight.head() < 8 && (address + eight.head() * 2) % 16 == 0, "head of %zu",
           address);
    for (uintptr_t other = 4096; other < 4096 + 32; other += 2) {
      CommonHead<4> both;
      both.Add(reinterpret_cast<void*>(address), 4);
      both.Add(reinterpret_cast<void*>(other), 2);
      const bool fits = (other + four.head() * 2) % 8 == 0;
      Expect(both.head() == (fits ? four.head() : -1), "common head of %zu and %zu", address, other);
    }
  }
}

// Draws are a function of an element's index, in groups that lie across 2^32 too.
template <int kCount>
void CheckDraws() {
  const Rounding rounding{true, 0x123456789abcdefull, 7};
  for (const int64_t boundary : {int64_t{0}, int64_t{1} << 32, int64_t{5} << 32}) {
    for (int64_t begin = boundary - (boundary > 0 ? 2 * kCount : 0); begin < boundary + kCount; ++begin) {
      Draws draws(rounding, Purpose::kSecondState);
      for (const int64_t index : {begin, begin + kCount, begin}) {
        uint32_t bits[kCount];
        draws.template Fill<kCount>(index, bits);
        for (int i = 0; i < kCount; ++i) {
          const int64_t element = index + i;
          const RandomKey key = RoundingKey(rounding.seed, Purpose::kSecondState, rounding.count,
                                            static_cast<uint32_t>(element >> 32));
          Expect(bits[i] == RoundingBits(key, static_cast<uint32_t>(element)), "draw of element %lld",
                 (long long)element);
        }
      }
    }
  }
}

void CheckFrozenBits() {
  const uint8_t mask[] = {0x5a, 0xff, 0x00, 0x81, 0x3c};
  for (int64_t index = 0; index + 8 <= 40; ++index) {
    const auto bit = [&](int64_t i) { return static_cast<uint32_t>(mask[i / 8] >> (i % 8) & 1); };
    for (int i = 0; i < 8; ++i) {
      Expect((FrozenBits<8>(mask, index) >> i & 1) == bit(index + i), "frozen bit %lld",
             (long long)index + i);
      if (i < 4)
        Expect((FrozenBits<4>(mask, index) >> i) % 2 == bit(index + i), "of 4: %lld", (long long)index);
    }
    Expect(FrozenBits<1>(mask, index) == bit(index), "of one: %lld", (long long)index);
    Expect(FrozenBits<8>(nullptr, index) == 0, "no mask freezes");
  }
}

void CheckRoundedResults() {
  const auto is_nan = [](uint32_t word) { return (word >> 16 & 0x7fffu) > 0x7f80u; };
  for (uint32_t upper = 0; upper < 0x10000; ++upper) {
    for (const uint32_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      for (const uint32_t random : {0u, 0x1234abcdu, 0xffffffffu}) {
        const float x = FloatFromBits(upper << 16 | lower);
        if (x != x) continue;
        Expect(RoundedResult<false>(x, random) >> 16 == RoundToBFloat16(x) >> 16, "%x is rounded otherwise",
               FloatBits(x));
        Expect(RoundedResult<true>(x, random) >> 16 == RoundToBFloat16(x, random) >> 16,
               "%x is rounded otherwise", FloatBits(x));
      }
    }
  }
  // A GPU's, and those of x86 and ARM.
  for (const uint32_t bits : {0x7fffffffu, 0xffc00000u, 0x7fc00000u}) {
    for (uint32_t random = 0; random < 0x10000; random += 5) {
      Expect(is_nan(RoundedResult<true>(FloatFromBits(bits), random)), "a NaN %x became a number", bits);
    }
    Expect(is_nan(RoundedResult<false>(FloatFromBits(bits), 0)), "a NaN %x became a number", bits);
  }
}

void CheckDiffering() {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    Group<uint16_t, 8> one;
    Group<uint16_t, 8> other;
    uint32_t wanted = 0;
    for (int i = 0; i < 8; ++i) {
      const uint32_t bits = random() & 0xffffu;
      const uint32_t mask = random() % 3 == 0   ? 1u << random() % 16
                            : random() % 2 == 0 ? random() & 0xffffu
                                                : 0;
      one.Put(i, bits);
      other.Put(i, bits ^ mask);
      wanted += mask != 0 ? 1 : 0;
    }
    Expect(CountDiffering(one, other) == wanted, "%u differ, not %u", CountDiffering(one, other), wanted);
  }
}

}  // namespace
}  // namespace soul

int main() {
  soul::CheckShortRanges<4>();
  soul::CheckShortRanges<8>();
  soul::CheckMaskedRanges<4>();
  soul::CheckMaskedRanges<8>();
  soul::CheckLongRanges<4>();
  soul::CheckLongRanges<8>();
  soul::CheckRanges();
  soul::CheckHeads();
  soul::CheckDraws<1>();
  soul::CheckDraws<4>();
  soul::CheckDraws<8>();
  soul::CheckFrozenBits();
  soul::CheckRoundedResults();
  soul::CheckDiffering();
  std::printf("%d wrong\n", soul::failures);
  return soul::failures == 0 ? 0 : 1;
}
