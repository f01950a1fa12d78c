// The instruction sets that the loops are compiled for.
//
// A path is one file that includes loops/*.inl under a compiler's target pragma, into a namespace of its own;
// SOUL_PATH_DOUBLES is how many doubles a vector of it holds.
// The loops may call nothing but inline functions that are always inlined: a template of the standard library
// that is instantiated there would be code for that instruction set under a name that every file shares.
#pragma once

#include "kernels/cpu/kernels.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define SOUL_X86_PATHS 1
#endif

namespace soul {

// What every processor of the architecture has: SSE2 on x86-64, NEON on aarch64.
namespace baseline {
extern const CpuKernels kKernels;
}

#if defined(SOUL_X86_PATHS)
namespace avx2 {
extern const CpuKernels kKernels;
}
namespace avx512 {
extern const CpuKernels kKernels;
}
#endif

}  // namespace soul
