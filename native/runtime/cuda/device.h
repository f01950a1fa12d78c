// A CUDA device: its primary context, the package's code on it, and what kernels are tuned by.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/cuda/device_code.h"
#include "runtime/cuda/driver.h"
#include "runtime/cuda/tuning.h"

namespace soul::cuda {

// What CUDA offers on this machine, without making a context.
struct DeviceDescription {
  std::string name;
  int32_t architecture = 0;  // 90: compute capability 9.0
  uint64_t memory = 0;       // bytes
  int32_t multiprocessors = 0;
  std::string problem;  // empty: it can be used; else one sentence
};

struct Platform {
  std::string
      problem;  // empty: devices can be used; else one sentence: what was looked for, found, and what to do
  int32_t driver_version = 0;  // of the CUDA that it supports, 13000: 13.0; 0: no driver
  std::vector<DeviceDescription> devices;
};

// Looks once; the same answer from then on.
const Platform& FindPlatform();

// One for each device of the process, made when it is first used.
class Device {
 public:
  // Throws DriverError where there is no such device, or it cannot be used.
  static Device& Get(int32_t index);

  int32_t index() const { return index_; }
  const DeviceDescription& description() const { return description_; }
  const Tuning& tuning() const { return tuning_; }
  Context context() const { return context_; }

  // Makes the device's primary context current on this thread.
  void Use() const;

  // Waits for everything that was enqueued there, whoever did it.
  void Finish() const noexcept;

  // Zeroed or not, as the driver gives it; throws DriverError with SOUL_OUT_OF_MEMORY.
  void* Allocate(std::size_t bytes);
  void Free(void* memory) noexcept;

  Function Find(DeviceCode code, const char* name);

  // What runs there: "sm_90", or "sm_110, compiled by the driver from PTX".
  std::string MachineCode();

 private:
  Device(int32_t index, const DeviceDescription& description);

  const int32_t index_;
  const DeviceDescription description_;
  const Tuning tuning_;
  Context context_ = nullptr;
  std::mutex mutex_;
  Module modules_[kDeviceCodes] = {};
  std::unordered_map<std::string, Function> functions_;
};

}  // namespace soul::cuda
