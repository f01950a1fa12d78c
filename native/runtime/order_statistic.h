// The k-th largest of many non-negative floats without sorting them: two reads, each a histogram of half the
// bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "kernels/order_statistic.h"
#include "runtime/chunks.h"
#include "runtime/thread_pool.h"

namespace soul {

struct ElementRange {
  int64_t begin;
  int64_t end;
};

// How often each value of 16 bits occurs, counted by every worker for itself.
class Histogram {
 public:
  explicit Histogram(int workers) : counts_(workers, std::vector<int64_t>(kBins, 0)) {}

  // Counts the upper or lower halves of keys; the lower ones only of keys with the upper half `high`.
  void AddUpper(int worker, const uint32_t* keys, int32_t length);
  void AddLower(int worker, const uint32_t* keys, int32_t length, uint32_t high);

  int64_t Total() const;

  struct Place {
    uint32_t bin;
    int64_t rank;  // among the bin's own, from the largest, counted from 1
  };
  // Where the `rank`-th largest lies.
  Place Find(int64_t rank) const;

 private:
  static constexpr std::size_t kBins = std::size_t{1} << 16;
  std::vector<std::vector<int64_t>> counts_;
};

// The bits of the value that a fraction of all keys reaches, at least one key; none when there are no keys.
// fill(from, length, keys) writes the bits of a block's values, or kNoKey; it is called twice for every
// block.
template <typename Fill>
std::optional<uint32_t> KeyReachedBy(ThreadPool& pool, const std::vector<ElementRange>& ranges,
                                     double fraction, const Fill& fill) {
  const auto for_blocks = [&](const auto& visit) {
    for (const ElementRange& range : ranges) {
      ForChunks(pool, range.begin, range.end, [&](int64_t begin, int64_t end, int worker) {
        uint32_t keys[kBlock];
        for (int64_t from = begin; from < end; from += kBlock) {
          const auto length = static_cast<int32_t>(end - from < kBlock ? end - from : kBlock);
          fill(from, length, keys);
          visit(worker, keys, length);
        }
      });
    }
  };
  int workers = 1;
  for (const ElementRange& range : ranges)
    workers = std::max(workers, pool.WorkersFor(CellsIn(range.begin, range.end)));
  Histogram upper(workers);
  for_blocks([&](int worker, const uint32_t* keys, int32_t length) { upper.AddUpper(worker, keys, length); });
  const int64_t total = upper.Total();
  if (total == 0) return std::nullopt;
  const Histogram::Place high = upper.Find(RankReachedBy(fraction, total));
  Histogram lower(workers);
  for_blocks([&](int worker, const uint32_t* keys, int32_t length) {
    lower.AddLower(worker, keys, length, high.bin);
  });
  return high.bin << 16 | lower.Find(high.rank).bin;
}

}  // namespace soul
