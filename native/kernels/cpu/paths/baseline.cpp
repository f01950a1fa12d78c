#include "kernels/cpu/loops/headers.h"

#define SOUL_PATH baseline
#if defined(__aarch64__)
#define SOUL_PATH_NAME "neon"
#else
#define SOUL_PATH_NAME "portable"
#endif
#define SOUL_PATH_DOUBLES 2
#include "kernels/cpu/loops/all.inl"
