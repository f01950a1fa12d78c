// The k-th largest of many 32-bit keys without sorting them and without a word to the host.
//
// Each of kSearchPasses passes reads all keys (several launches may share a pass) and counts, of those that
// begin with the bits found so far, how many have each value of the next bits. FindBin, one block, then finds
// the bin that the wanted key is in. A key that is kNoKey counts for nothing.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/order_statistic_parameters.h"

namespace soul {

// One block's part of a pass. Every thread of the block makes one, adds its keys, and finishes.
class KeyCounter {
 public:
  // `bins`: kMostBins words of shared memory. A block counts fewer than 2^32 keys of a bin.
  SOUL_DEVICE KeyCounter(uint32_t* bins, const OrderSearch& search, int32_t pass)
      : bins_(bins),
        shift_(ShiftOfPass(pass)),
        mask_((1u << BitsOfPass(pass)) - 1),
        // In two shifts: in the first pass there are 32 bits below.
        upper_shift_(BitsOfPass(pass)),
        prefix_(search.progress.prefix) {
    for (int32_t bin = ThreadIndex(); bin < kMostBins; bin += ThreadCount()) bins_[bin] = 0;
    Barrier();
  }

  // Keys of one bin in a row cost one atomic: of sparse gradients most are 0.
  SOUL_DEVICE void Add(uint32_t key) {
    const uint32_t upper = key >> shift_;
    if (key == kNoKey || upper >> upper_shift_ != prefix_) return;
    const uint32_t bin = upper & mask_;
    if (bin != bin_) {
      Count();
      bin_ = bin;
      run_ = 0;
    }
    ++run_;
  }

  SOUL_DEVICE void Finish(OrderSearch* search, int32_t pass) {
    Count();
    Barrier();
    for (int32_t bin = ThreadIndex(); bin < kMostBins; bin += ThreadCount()) {
      if (bins_[bin] != 0) AtomicAdd(&search->counts[pass][bin], static_cast<uint64_t>(bins_[bin]));
    }
  }

 private:
  SOUL_DEVICE void Count() {
    if (run_ != 0) AtomicAdd(bins_ + bin_, run_);
  }

  uint32_t* const bins_;
  const int32_t shift_;
  const uint32_t mask_;
  const int32_t upper_shift_;
  const uint32_t prefix_;
  uint32_t bin_ = 0;
  uint32_t run_ = 0;
};

// Where the wanted key lies among the bins of a pass. One block.
SOUL_DEVICE void FindBin(const FindBinParameters& parameters) {
  SOUL_SHARED(uint64_t, sums, kMostThreads);
  OrderSearch* const search = parameters.search;
  const int32_t pass = parameters.pass;
  const uint64_t* counts = search->counts[pass];
  const SearchProgress before = search->progress;

  // Thread t has the t-th range of bins from the largest.
  const int32_t bins = 1 << BitsOfPass(pass);
  const int32_t each = (bins + ThreadCount() - 1) / ThreadCount();
  const int32_t last = bins - 1 - ThreadIndex() * each;
  uint64_t own = 0;
  for (int32_t bin = last; bin > last - each && bin >= 0; --bin) own += counts[bin];
  sums[ThreadIndex()] = own;
  Barrier();
  uint64_t total = 0;
  uint64_t larger = 0;
  for (int32_t thread = 0; thread < ThreadCount(); ++thread) {
    if (thread == ThreadIndex()) larger = total;
    total += sums[thread];
  }
  const uint64_t rank =
      pass == 0 ? static_cast<uint64_t>(RankReachedBy(parameters.fraction, static_cast<int64_t>(total)))
                : before.rank;
  // One thread's, and none's where there are no keys.
  if (rank <= larger || rank > larger + own) return;
  uint64_t rest = rank - larger;
  int32_t bin = last;
  while (rest > counts[bin]) rest -= counts[bin--];
  search->progress = {pass == 0 ? total : before.total, rest,
                      before.prefix << BitsOfPass(pass) | static_cast<uint32_t>(bin), 0};
}

}  // namespace soul
