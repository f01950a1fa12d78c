// native/runtime/cuda/driver.h against CUDA's own cuda.h: nothing is declared otherwise than NVIDIA declares
// it. Compiled where CUDA's headers are (test/cuda/emulator.test.ts); it has no code.
#include <cuda.h>

#include <type_traits>

#include "runtime/cuda/driver.h"

namespace soul::cuda {
namespace {

// CUDA's enumerations are passed as int here.
template <typename T>
using Plain =
    typename std::conditional_t<std::is_enum_v<T>, std::type_identity<int>, std::type_identity<T>>::type;

template <typename Ours, typename Theirs>
struct Agree : std::false_type {};
template <typename R, typename... A, typename S, typename... B>
struct Agree<R(A...), S(B...)> {
  static constexpr bool value = std::is_same_v<R(A...), Plain<S>(Plain<B>...)>;
};

#define SOUL_AGREES(name, arguments) \
  static_assert(Agree<Result arguments, decltype(::name)>::value, "cuda.h declares " #name " otherwise");
SOUL_DRIVER_FUNCTIONS(SOUL_AGREES)
#undef SOUL_AGREES

static_assert(sizeof(CUresult) == sizeof(Result));
static_assert(sizeof(CUdevice_attribute) == sizeof(int));
static_assert(sizeof(CUfunction_attribute) == sizeof(int));
static_assert(sizeof(CUpointer_attribute) == sizeof(int));
static_assert(sizeof(CUmemorytype) == sizeof(unsigned));

static_assert(kSuccess == CUDA_SUCCESS);
static_assert(kInvalidValue == CUDA_ERROR_INVALID_VALUE);
static_assert(kOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(kNoDevice == CUDA_ERROR_NO_DEVICE);
static_assert(kNoBinaryForGpu == CUDA_ERROR_NO_BINARY_FOR_GPU);
static_assert(kNotReady == CUDA_ERROR_NOT_READY);
static_assert(kMultiprocessorCount == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
static_assert(kComputeCapabilityMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(kComputeCapabilityMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(kPtxVersion == CU_FUNC_ATTRIBUTE_PTX_VERSION);
static_assert(kBinaryVersion == CU_FUNC_ATTRIBUTE_BINARY_VERSION);
static_assert(kPointerMemoryType == CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
static_assert(kPointerDeviceOrdinal == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
static_assert(kPointerRangeStart == CU_POINTER_ATTRIBUTE_RANGE_START_ADDR);
static_assert(kPointerRangeSize == CU_POINTER_ATTRIBUTE_RANGE_SIZE);
static_assert(kMemoryTypeDevice == CU_MEMORYTYPE_DEVICE);
static_assert(kEventBlockingSync == CU_EVENT_BLOCKING_SYNC);
static_assert(kEventDisableTiming == CU_EVENT_DISABLE_TIMING);

}  // namespace
}  // namespace soul::cuda
