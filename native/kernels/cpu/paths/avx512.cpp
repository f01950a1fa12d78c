#include "kernels/cpu/loops/headers.h"

#if defined(SOUL_X86_PATHS)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), \
                             apply_to = function)
#pragma clang attribute push(__attribute__((min_vector_width(512))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#endif

#define SOUL_PATH avx512
#define SOUL_PATH_NAME "avx512"
#define SOUL_PATH_DOUBLES 8
#include "kernels/cpu/loops/all.inl"

#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
