#include "kernels/cpu/loops/headers.h"

#if defined(SOUL_X86_PATHS)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#define SOUL_PATH avx2
#define SOUL_PATH_NAME "avx2"
#define SOUL_PATH_DOUBLES 4
#include "kernels/cpu/loops/all.inl"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
