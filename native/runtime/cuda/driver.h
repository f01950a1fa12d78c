// NVIDIA's driver library, found at run time: nothing of CUDA is needed to build or to load the addon.
//
// Declared here is the part of the driver's interface that is used, as its documentation gives it
// (docs.nvidia.com/cuda/cuda-driver-api); test/native/driver_declarations.cpp holds it against cuda.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

namespace soul::cuda {

using Result = int;  // CUresult
using DeviceNumber = int;
using Address = unsigned long long;  // CUdeviceptr
using Context = struct CUctx_st*;
using Module = struct CUmod_st*;
using Function = struct CUfunc_st*;
using Stream = struct CUstream_st*;
using Event = struct CUevent_st*;

constexpr Result kSuccess = 0;
constexpr Result kInvalidValue = 1;
constexpr Result kOutOfMemory = 2;
constexpr Result kNoDevice = 100;
constexpr Result kNoBinaryForGpu = 209;
constexpr Result kNotReady = 600;

// CUdevice_attribute
constexpr int kMultiprocessorCount = 16;
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;
// CUfunction_attribute
constexpr int kPtxVersion = 5;
constexpr int kBinaryVersion = 6;
// CUpointer_attribute
constexpr int kPointerMemoryType = 2;
constexpr int kPointerDeviceOrdinal = 9;
constexpr int kPointerRangeStart = 11;
constexpr int kPointerRangeSize = 12;
constexpr unsigned kMemoryTypeDevice = 2;  // CUmemorytype
constexpr unsigned kEventBlockingSync = 1;
constexpr unsigned kEventDisableTiming = 2;

// name, as the library exports it: type of the arguments
#define SOUL_DRIVER_FUNCTIONS(F)                                                                             \
  F(cuInit, (unsigned flags))                                                                                \
  F(cuDriverGetVersion, (int* version))                                                                      \
  F(cuGetErrorName, (Result error, const char** name))                                                       \
  F(cuGetErrorString, (Result error, const char** text))                                                     \
  F(cuDeviceGetCount, (int* count))                                                                          \
  F(cuDeviceGet, (DeviceNumber * device, int ordinal))                                                       \
  F(cuDeviceGetName, (char* name, int length, DeviceNumber device))                                          \
  F(cuDeviceGetAttribute, (int* value, int attribute, DeviceNumber device))                                  \
  F(cuDeviceTotalMem_v2, (std::size_t* bytes, DeviceNumber device))                                          \
  F(cuDevicePrimaryCtxRetain, (Context * context, DeviceNumber device))                                      \
  F(cuCtxSetCurrent, (Context context))                                                                      \
  F(cuCtxSynchronize, ())                                                                                    \
  F(cuModuleLoadData, (Module * module, const void* image))                                                  \
  F(cuModuleGetFunction, (Function * function, Module module, const char* name))                             \
  F(cuFuncLoad, (Function function))                                                                         \
  F(cuFuncGetAttribute, (int* value, int attribute, Function function))                                      \
  F(cuLaunchKernel, (Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, \
                     unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream stream,               \
                     void** parameters, void** extra))                                                       \
  F(cuMemAlloc_v2, (Address * memory, std::size_t bytes))                                                    \
  F(cuMemFree_v2, (Address memory))                                                                          \
  F(cuMemGetInfo_v2, (std::size_t* free_bytes, std::size_t* total_bytes))                                    \
  F(cuMemHostAlloc, (void** memory, std::size_t bytes, unsigned flags))                                      \
  F(cuMemFreeHost, (void* memory))                                                                           \
  F(cuMemcpyHtoDAsync_v2, (Address target, const void* source, std::size_t bytes, Stream stream))            \
  F(cuMemcpyDtoHAsync_v2, (void* target, Address source, std::size_t bytes, Stream stream))                  \
  F(cuMemcpyDtoDAsync_v2, (Address target, Address source, std::size_t bytes, Stream stream))                \
  F(cuMemcpyPeerAsync, (Address target, Context target_context, Address source, Context source_context,      \
                        std::size_t bytes, Stream stream))                                                   \
  F(cuMemsetD8Async, (Address target, unsigned char value, std::size_t count, Stream stream))                \
  F(cuMemsetD16Async, (Address target, unsigned short value, std::size_t count, Stream stream))              \
  F(cuMemsetD32Async, (Address target, unsigned value, std::size_t count, Stream stream))                    \
  F(cuPointerGetAttribute, (void* value, int attribute, Address pointer))                                    \
  F(cuStreamSynchronize, (Stream stream))                                                                    \
  F(cuStreamWaitEvent, (Stream stream, Event event, unsigned flags))                                         \
  F(cuEventCreate, (Event * event, unsigned flags))                                                          \
  F(cuEventDestroy_v2, (Event event))                                                                        \
  F(cuEventRecord, (Event event, Stream stream))                                                             \
  F(cuEventSynchronize, (Event event))                                                                       \
  F(cuEventElapsedTime, (float* milliseconds, Event start, Event end))

struct Driver {
#define SOUL_DRIVER_MEMBER(name, arguments) Result(*name) arguments;
  SOUL_DRIVER_FUNCTIONS(SOUL_DRIVER_MEMBER)
#undef SOUL_DRIVER_MEMBER
};

// The driver's functions, or null with one sentence why not. SOUL_CUDA_DRIVER names another library than
// libcuda.so.1. Looked for once.
const Driver* FindDriver(std::string* problem);

// A failure of the driver: a code of lib/core/errors.ts and a sentence.
class DriverError : public std::exception {
 public:
  DriverError(const char* code, std::string message) : code_(code), message_(std::move(message)) {}
  const char* code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  const char* code_;
  std::string message_;
};

// The driver; throws DriverError where there is none.
const Driver& TheDriver();

// "CUDA_ERROR_OUT_OF_MEMORY, out of memory"
std::string NameOf(Result result);

// Throws where `result` is a failure of `what` ("cuLaunchKernel").
void Check(Result result, const char* what);

}  // namespace soul::cuda
