#include "runtime/order_statistic.h"

namespace soul {

void Histogram::AddUpper(int worker, const uint32_t* keys, int32_t length) {
  int64_t* counts = counts_[static_cast<std::size_t>(worker)].data();
  for (int32_t i = 0; i < length; ++i) {
    if (keys[i] != kNoKey) ++counts[keys[i] >> 16];
  }
}

void Histogram::AddLower(int worker, const uint32_t* keys, int32_t length, uint32_t high) {
  int64_t* counts = counts_[static_cast<std::size_t>(worker)].data();
  for (int32_t i = 0; i < length; ++i) {
    if (keys[i] >> 16 == high && keys[i] != kNoKey) ++counts[keys[i] & 0xffffu];
  }
}

int64_t Histogram::Total() const {
  int64_t total = 0;
  for (const std::vector<int64_t>& counts : counts_) {
    for (const int64_t count : counts) total += count;
  }
  return total;
}

Histogram::Place Histogram::Find(int64_t rank) const {
  for (std::size_t bin = kBins - 1;; --bin) {
    int64_t count = 0;
    for (const std::vector<int64_t>& counts : counts_) count += counts[bin];
    if (rank <= count || bin == 0) return {static_cast<uint32_t>(bin), rank};
    rank -= count;
  }
}

}  // namespace soul
