// How kernels are shaped on each architecture, as data.
#pragma once

#include <cstdint>

namespace soul::cuda {

struct Tuning {
  int32_t architecture;  // for this compute capability and later ones
  int32_t threads;       // of a block that walks memory
  int32_t blocks;        // of the grid, for each multiprocessor
  const char* source;    // where the figures come from
};

// The entry with the largest architecture that is not above this one.
const Tuning& TuningFor(int32_t architecture);

}  // namespace soul::cuda
