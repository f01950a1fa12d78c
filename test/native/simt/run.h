// Runs a kernel from its first block to its last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "simt/accesses.h"
#include "simt/kernels.h"

namespace soul::simt {

// How a kernel ended: 0, or a CUresult and a sentence that names kernel, block and thread.
struct Outcome {
  int result = 0;
  std::string problem;
};

// `order` decides in which order blocks and threads run: results must not depend on it. One kernel runs at a
// time, whoever calls. `threads` is a multiple of 32 and at most 512. The kernel may touch
// `memory`, which is in the order of addresses.
Outcome Run(const Kernel& kernel, int64_t blocks, int32_t threads, const void* parameters, uint64_t order,
            std::vector<Range> memory);

}  // namespace soul::simt
