// The driver's functions about itself, devices, contexts and errors.
#include <cstdio>
#include <cstring>
#include <iterator>

#include "driver/library.h"

namespace soul::emulated {

std::atomic<bool> initialized = false;
thread_local CUctx_st* current_context = nullptr;

int CurrentDevice(CUctx_st** device) {
  if (!initialized) return kNotInitialized;
  if (current_context == nullptr) return kInvalidContext;
  *device = current_context;
  return current_context->error;
}

namespace {

struct ErrorText {
  int error;
  const char* name;
  const char* text;
};

constexpr ErrorText kErrors[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain."},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {802, "CUDA_ERROR_SYSTEM_NOT_READY", "system not yet initialized"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
     "system has unsupported display driver / cuda driver combination"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

const ErrorText* FindError(int error) {
  for (const ErrorText& entry : kErrors) {
    if (entry.error == error) return &entry;
  }
  return nullptr;
}

// 0 and the device of that number.
int DeviceOf(int number, CUctx_st** device) {
  if (!initialized) return kNotInitialized;
  *device = DeviceAt(number);
  return *device == nullptr ? kInvalidDevice : 0;
}

}  // namespace
}  // namespace soul::emulated

using namespace soul::emulated;
using soul::cuda::Context;
using soul::cuda::DeviceNumber;
using soul::cuda::Result;

SOUL_EXPORTED cuInit(unsigned flags) {
  SOUL_BEGIN();
  if (flags != 0) return soul::cuda::kInvalidValue;
  if (TheScenario().devices <= 0) return soul::cuda::kNoDevice;
  initialized = true;
  return 0;
}

SOUL_EXPORTED cuDriverGetVersion(int* version) {
  SOUL_BEGIN();
  if (version == nullptr) return soul::cuda::kInvalidValue;
  *version = TheScenario().version;
  return 0;
}

SOUL_EXPORTED cuGetErrorName(Result error, const char** name) {
  const ErrorText* entry = FindError(error);
  *name = entry != nullptr ? entry->name : nullptr;
  return entry != nullptr ? 0 : soul::cuda::kInvalidValue;
}

SOUL_EXPORTED cuGetErrorString(Result error, const char** text) {
  const ErrorText* entry = FindError(error);
  *text = entry != nullptr ? entry->text : nullptr;
  return entry != nullptr ? 0 : soul::cuda::kInvalidValue;
}

SOUL_EXPORTED cuDeviceGetCount(int* count) {
  SOUL_BEGIN();
  if (!initialized) return kNotInitialized;
  int devices = 0;
  while (DeviceAt(devices) != nullptr) ++devices;
  *count = devices;
  return 0;
}

SOUL_EXPORTED cuDeviceGet(DeviceNumber* device, int ordinal) {
  SOUL_BEGIN();
  CUctx_st* found = nullptr;
  if (const int result = DeviceOf(ordinal, &found); result != 0) return result;
  *device = ordinal;
  return 0;
}

SOUL_EXPORTED cuDeviceGetName(char* name, int length, DeviceNumber device) {
  SOUL_BEGIN();
  CUctx_st* found = nullptr;
  if (const int result = DeviceOf(device, &found); result != 0) return result;
  if (length <= 0) return soul::cuda::kInvalidValue;
  std::snprintf(name, static_cast<std::size_t>(length), "Emulated device of compute capability %d.%d",
                found->architecture / 10, found->architecture % 10);
  return 0;
}

SOUL_EXPORTED cuDeviceGetAttribute(int* value, int attribute, DeviceNumber device) {
  SOUL_BEGIN();
  CUctx_st* found = nullptr;
  if (const int result = DeviceOf(device, &found); result != 0) return result;
  switch (attribute) {
    case soul::cuda::kMultiprocessorCount:
      *value = found->multiprocessors;
      return 0;
    case soul::cuda::kComputeCapabilityMajor:
      *value = found->architecture / 10;
      return 0;
    case soul::cuda::kComputeCapabilityMinor:
      *value = found->architecture % 10;
      return 0;
    default:
      return soul::cuda::kInvalidValue;
  }
}

SOUL_EXPORTED cuDeviceTotalMem_v2(std::size_t* bytes, DeviceNumber device) {
  SOUL_BEGIN();
  CUctx_st* found = nullptr;
  if (const int result = DeviceOf(device, &found); result != 0) return result;
  *bytes = found->memory.limit();
  return 0;
}

SOUL_EXPORTED cuDevicePrimaryCtxRetain(Context* context, DeviceNumber device) {
  SOUL_BEGIN();
  CUctx_st* found = nullptr;
  if (const int result = DeviceOf(device, &found); result != 0) return result;
  if (found->error != 0) return found->error;
  *context = found;
  return 0;
}

SOUL_EXPORTED cuCtxSetCurrent(Context context) {
  SOUL_BEGIN();
  if (!initialized) return kNotInitialized;
  if (context != nullptr && context != DeviceAt(0) && context != DeviceAt(1)) return kInvalidContext;
  current_context = context;
  return 0;
}
