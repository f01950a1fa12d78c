// The kernels as machine code of every architecture, embedded in the addon by the build.
#pragma once

#include <string>

namespace soul::cuda {

// In parts, each loaded when it is first used.
enum class DeviceCode : int {
  kOptimizers,
  kVectors,
  kTokens,
};
constexpr int kDeviceCodes = 3;

// Whether there is device code to load, embedded or by SOUL_DEVICE_CODE: a folder with <name>.fatbin files,
// for trying kernels without building the addon; or `none`, for a driver that brings its own.
bool HasDeviceCode();

// What cuModuleLoadData takes; throws DriverError where there is none. Stays for good.
const void* DeviceCodeImage(DeviceCode code);

}  // namespace soul::cuda
