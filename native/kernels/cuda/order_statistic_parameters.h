// The state of a search for the k-th largest key, in device memory.
#pragma once

#include <cstdint>

#include "kernels/order_statistic.h"

namespace soul {

// A key's bits are found from the highest: 11, then 11, then 10.
constexpr int32_t kSearchPasses = 3;
constexpr int32_t kMostBins = 1 << 11;

SOUL_HOST_DEVICE int32_t BitsOfPass(int32_t pass) {
  return pass == 2 ? 10 : 11;
}
// The bits below those of a pass.
SOUL_HOST_DEVICE int32_t ShiftOfPass(int32_t pass) {
  return pass == 0 ? 21 : pass == 1 ? 10 : 0;
}

// How far a search is. It begins as zeros.
struct SearchProgress {
  uint64_t total;   // keys, known after the first pass
  uint64_t rank;    // of the wanted key among those that begin as it does, from the largest, from 1
  uint32_t prefix;  // its upper bits; after the last pass the key itself, where there are keys at all
  uint32_t unused;
};

struct OrderSearch {
  SearchProgress progress;
  uint64_t counts[kSearchPasses][kMostBins];
};

// One block, after a pass over all keys.
struct FindBinParameters {
  OrderSearch* search;
  int32_t pass;
  double fraction;  // of the keys, that reach the wanted one
};

}  // namespace soul
