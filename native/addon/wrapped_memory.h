// Memory that JavaScript holds as an External: a device's, or what another trainer owns.
#pragma once

#include <napi.h>

#include <memory>

#include "kernels/storage.h"
#include "runtime/cuda/device.h"
#include "runtime/interface.h"

namespace soul {

// Freed with the last handle to it, or before.
class DeviceAllocation {
 public:
  // Throws DriverError.
  DeviceAllocation(cuda::Device& device, std::size_t bytes)
      : device_(device), memory_(device.Allocate(bytes)) {}
  ~DeviceAllocation() { Free(); }
  DeviceAllocation(const DeviceAllocation&) = delete;
  DeviceAllocation& operator=(const DeviceAllocation&) = delete;

  void* memory() const { return memory_; }
  // Given up by JavaScript: handles to it are refused, though jobs may still use it.
  bool released = false;
  void Free() noexcept {
    device_.Free(memory_);
    memory_ = nullptr;
  }

 private:
  cuda::Device& device_;
  void* memory_;
};

struct WrappedMemory : SoulMemory {
  std::shared_ptr<DeviceAllocation> allocation;  // null: somebody else's
  bool whole = false;                            // all of the allocation, as allocDevice gave it
};

Napi::Value WrapMemory(Napi::Env env, const WrappedMemory& memory);

// What such an External holds; null for any other value.
WrappedMemory* Unwrap(const Napi::Value& value);

DType ReadDType(const Napi::Value& value);

constexpr int32_t kMostDevices = 64;

}  // namespace soul
