// Marks the arithmetic that both the CPU loops and the device kernels call.
#pragma once

#if defined(__CUDACC__)
#define SOUL_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define SOUL_HOST_DEVICE inline __attribute__((always_inline))
#endif
