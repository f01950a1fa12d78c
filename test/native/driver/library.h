// What the exported functions have in common.
#pragma once

#include "driver/device.h"
#include "driver/scenario.h"
#include "runtime/cuda/driver.h"

#define SOUL_EXPORTED extern "C" __attribute__((visibility("default"))) soul::cuda::Result

// Each function begins with one of these.
// Whatever the scenario wants of this call.
#define SOUL_BEGIN() \
  if (const int result = soul::emulated::Announce(__func__); result != 0) return result
// And: cuInit was called, and the device of the calling thread's context is in order.
#define SOUL_BEGIN_IN_CONTEXT(device) \
  SOUL_BEGIN();                       \
  CUctx_st* device = nullptr;         \
  if (const int result = soul::emulated::CurrentDevice(&device); result != 0) return result

namespace soul::emulated {

// Results of CUDA beyond those of driver.h.
constexpr int kNotInitialized = 3;
constexpr int kDeviceUnavailable = 46;
constexpr int kInvalidDevice = 101;
constexpr int kInvalidContext = 201;
constexpr int kInvalidHandle = 400;
constexpr int kNotFound = 500;

extern std::atomic<bool> initialized;
extern thread_local CUctx_st* current_context;

// 0 and the current device, or what every call gives now.
int CurrentDevice(CUctx_st** device);

}  // namespace soul::emulated
