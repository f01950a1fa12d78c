// What the hardware gives a kernel, and nothing else: the one place where device code is not plain C++.
//
// Under nvcc these are the hardware's; under a plain C++ compiler the includer supplies `simt/device.h`, the
// same functions for an emulated block (test/native/simt).
//
// A kernel is written `SOUL_KERNEL(name, Parameters) { ... }` and reads `parameters`. Blocks are
// one-dimensional, of a multiple of kWarp and at most kMostThreads threads; results must not depend on how
// many blocks and threads there are, but for the last bits of floating-point sums.
#pragma once

#include <cstdint>

#include "kernels/cuda/block.h"
#include "kernels/host_device.h"

namespace soul {

// What one access moves.
struct alignas(16) Words4 {
  uint32_t words[4];
};
struct alignas(8) Words2 {
  uint32_t words[2];
};

}  // namespace soul

#if defined(__CUDACC__)

#define SOUL_DEVICE __device__ __forceinline__
#define SOUL_SHARED(type, name, count) __shared__ type name[count]
#define SOUL_KERNEL(name, Parameters)                              \
  extern "C" __global__ void __launch_bounds__(soul::kMostThreads) \
      name(const __grid_constant__ Parameters parameters)

namespace soul {

SOUL_DEVICE int32_t ThreadIndex() {
  return static_cast<int32_t>(threadIdx.x);
}
SOUL_DEVICE int32_t ThreadCount() {
  return static_cast<int32_t>(blockDim.x);
}
SOUL_DEVICE int64_t BlockIndex() {
  return static_cast<int64_t>(blockIdx.x);
}
SOUL_DEVICE int64_t BlockCount() {
  return static_cast<int64_t>(gridDim.x);
}

// Every thread of the block waits for the others and sees what they wrote.
SOUL_DEVICE void Barrier() {
  __syncthreads();
}

// Warp collectives: every lane of the warp takes part.
template <typename T>
SOUL_DEVICE T ShuffleDown(T value, int32_t distance) {
  return __shfl_down_sync(0xffffffffu, value, static_cast<unsigned>(distance));
}
template <typename T>
SOUL_DEVICE T ShuffleXor(T value, int32_t lanes) {
  return __shfl_xor_sync(0xffffffffu, value, lanes);
}
SOUL_DEVICE uint32_t Ballot(bool predicate) {
  return __ballot_sync(0xffffffffu, predicate);
}

// In device or shared memory, without an order.
SOUL_DEVICE void AtomicAdd(uint64_t* sum, uint64_t value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(sum), static_cast<unsigned long long>(value));
}
SOUL_DEVICE void AtomicAdd(uint32_t* sum, uint32_t value) {
  atomicAdd(sum, value);
}
// The value before; the block's and the device's writes before it are seen by who sees its effect.
SOUL_DEVICE uint32_t AtomicCount(uint32_t* count) {
  __threadfence();
  const uint32_t before = atomicAdd(count, 1u);
  __threadfence();
  return before;
}

SOUL_DEVICE Words4 LoadWords4(const void* address) {
  const uint4 v = *static_cast<const uint4*>(address);
  return {{v.x, v.y, v.z, v.w}};
}
SOUL_DEVICE Words2 LoadWords2(const void* address) {
  const uint2 v = *static_cast<const uint2*>(address);
  return {{v.x, v.y}};
}
// To device memory. As instructions: a vector of computed floats is something the compiler takes apart.
SOUL_DEVICE void Store(void* address, const Words4& w) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(address)),
               "r"(w.words[0]), "r"(w.words[1]), "r"(w.words[2]), "r"(w.words[3])
               : "memory");
}
SOUL_DEVICE void Store(void* address, const Words2& w) {
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(__cvta_generic_to_global(address)), "r"(w.words[0]),
               "r"(w.words[1])
               : "memory");
}

}  // namespace soul

#else
#include "simt/device.h"
#endif
