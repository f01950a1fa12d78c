#include "runtime/cuda/device.h"

#include <cstdlib>

namespace soul::cuda {
namespace {

// The CUDA version that device code is built with; drivers know none that came after them.
constexpr int32_t kNeededVersion = 13000;
constexpr int32_t kOldestArchitecture = 75;
constexpr int32_t kMostDevices = 64;

std::string VersionName(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

int Attribute(const Driver& driver, DeviceNumber number, int attribute) {
  int value = 0;
  Check(driver.cuDeviceGetAttribute(&value, attribute, number), "cuDeviceGetAttribute");
  return value;
}

DeviceDescription Describe(const Driver& driver, int index) {
  DeviceNumber number = 0;
  Check(driver.cuDeviceGet(&number, index), "cuDeviceGet");
  char name[256] = "";
  Check(driver.cuDeviceGetName(name, sizeof name, number), "cuDeviceGetName");
  std::size_t bytes = 0;
  Check(driver.cuDeviceTotalMem_v2(&bytes, number), "cuDeviceTotalMem");
  DeviceDescription description;
  description.name = name;
  description.memory = bytes;
  description.architecture = 10 * Attribute(driver, number, kComputeCapabilityMajor) +
                             Attribute(driver, number, kComputeCapabilityMinor);
  description.multiprocessors = Attribute(driver, number, kMultiprocessorCount);
  if (description.architecture < kOldestArchitecture) {
    description.problem =
        description.name + " has compute capability " + std::to_string(description.architecture / 10) + "." +
        std::to_string(description.architecture % 10) + ", but 7.5 or newer is needed (GPUs from 2018 on)";
  }
  return description;
}

Platform Look() {
  Platform platform;
  const Driver* driver = FindDriver(&platform.problem);
  if (driver == nullptr) return platform;
  try {
    Check(driver->cuDriverGetVersion(&platform.driver_version), "cuDriverGetVersion");
    const Result started = driver->cuInit(0);
    int count = 0;
    if (started == kSuccess) Check(driver->cuDeviceGetCount(&count), "cuDeviceGetCount");
    if (started == kNoDevice || (started == kSuccess && count == 0)) {
      platform.problem =
          "NVIDIA's driver is there but shows no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES";
      return platform;
    }
    Check(started, "cuInit");
    bool usable = false;
    for (int i = 0; i < count && i < kMostDevices; ++i) {
      platform.devices.push_back(Describe(*driver, i));
      usable = usable || platform.devices.back().problem.empty();
    }
    if (!usable) platform.problem = platform.devices.front().problem;
    if (platform.driver_version < kNeededVersion) {
      platform.problem = "NVIDIA's driver supports CUDA " + VersionName(platform.driver_version) + ", but " +
                         VersionName(kNeededVersion) + " is needed; update it to driver 580 or newer";
    }
  } catch (const DriverError& error) {
    platform.problem = error.what();
  }
  if (platform.problem.empty() && !HasDeviceCode()) {
    platform.problem =
        "this build of the addon holds no code for GPUs; remove the package's build folder where it hides "
        "the "
        "prebuilt addon, which has it, or, in a checkout with nvcc, build one: npm run build:addon -- --cuda";
  }
  return platform;
}

}  // namespace

const Platform& FindPlatform() {
  // Never destroyed: jobs may outlive what is torn down at exit.
  static const Platform* platform = new Platform(Look());
  return *platform;
}

namespace {

Device* devices[kMostDevices] = {};

// Before the driver's own, since it was set up later: the threads that wait for a device must not be in the
// driver when that is torn down.
void FinishAtExit() {
  for (const Device* device : devices) {
    if (device != nullptr) device->Finish();
  }
}

}  // namespace

Device& Device::Get(int32_t index) {
  static std::mutex mutex;
  static std::once_flag at_exit;
  const Platform& platform = FindPlatform();
  if (!platform.problem.empty()) throw DriverError("SOUL_UNSUPPORTED", platform.problem);
  const auto count = static_cast<int32_t>(platform.devices.size());
  if (index < 0 || index >= count) {
    throw DriverError("SOUL_UNSUPPORTED", "there is no cuda:" + std::to_string(index) +
                                              "; this machine has cuda:0" +
                                              (count > 1 ? " to cuda:" + std::to_string(count - 1) : ""));
  }
  const DeviceDescription& description = platform.devices[static_cast<std::size_t>(index)];
  if (!description.problem.empty()) throw DriverError("SOUL_UNSUPPORTED", description.problem);
  const std::lock_guard lock(mutex);
  if (devices[index] == nullptr) {
    devices[index] = new Device(index, description);
    std::call_once(at_exit, [] { std::atexit(FinishAtExit); });
  }
  return *devices[index];
}

Device::Device(int32_t index, const DeviceDescription& description)
    : index_(index), description_(description), tuning_(TuningFor(description.architecture)) {
  const Driver& driver = TheDriver();
  DeviceNumber number = 0;
  Check(driver.cuDeviceGet(&number, index), "cuDeviceGet");
  Check(driver.cuDevicePrimaryCtxRetain(&context_, number), "cuDevicePrimaryCtxRetain");
}

void Device::Use() const {
  Check(TheDriver().cuCtxSetCurrent(context_), "cuCtxSetCurrent");
}

void Device::Finish() const noexcept {
  const Driver& driver = TheDriver();
  if (driver.cuCtxSetCurrent(context_) == kSuccess) driver.cuCtxSynchronize();
}

void* Device::Allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  const Driver& driver = TheDriver();
  Use();
  Address memory = 0;
  const Result result = driver.cuMemAlloc_v2(&memory, bytes);
  if (result == kOutOfMemory) {
    std::size_t free_bytes = 0;
    std::size_t total = 0;
    driver.cuMemGetInfo_v2(&free_bytes, &total);
    throw DriverError("SOUL_OUT_OF_MEMORY",
                      "cuda:" + std::to_string(index_) + " is out of memory: " + std::to_string(bytes) +
                          " bytes are needed, " + std::to_string(free_bytes) + " of " +
                          std::to_string(total) + " are free; release buffers, or use a smaller model");
  }
  Check(result, "cuMemAlloc");
  return reinterpret_cast<void*>(static_cast<uintptr_t>(memory));
}

void Device::Free(void* memory) noexcept {
  if (memory == nullptr) return;
  // What fails here has nobody to be told to, and the device's memory is gone with it.
  const Driver& driver = TheDriver();
  if (driver.cuCtxSetCurrent(context_) == kSuccess) driver.cuMemFree_v2(reinterpret_cast<uintptr_t>(memory));
}

Function Device::Find(DeviceCode code, const char* name) {
  const Driver& driver = TheDriver();
  const std::lock_guard lock(mutex_);
  const auto known = functions_.find(name);
  if (known != functions_.end()) return known->second;
  // Modules belong to the context that is current.
  Use();
  Module& module = modules_[static_cast<int>(code)];
  if (module == nullptr) {
    const Result result = driver.cuModuleLoadData(&module, DeviceCodeImage(code));
    if (result == kNoBinaryForGpu) {
      throw DriverError("SOUL_UNSUPPORTED",
                        "this build of the addon has no code for " + description_.name + " (sm_" +
                            std::to_string(description_.architecture) +
                            "); use the package's prebuilt addon, which has code for all");
    }
    Check(result, "cuModuleLoadData");
  }
  Function function = nullptr;
  Check(driver.cuModuleGetFunction(&function, module, name), name);
  // Not left to its first launch, which could then fail for want of memory amid a call.
  Check(driver.cuFuncLoad(function), name);
  functions_.emplace(name, function);
  return function;
}

std::string Device::MachineCode() {
  Use();
  // Any kernel tells: all are built for the same architectures.
  const Function function = Find(DeviceCode::kVectors, "soul_scale_f32");
  int binary = 0;
  int ptx = 0;
  Check(TheDriver().cuFuncGetAttribute(&binary, kBinaryVersion, function), "cuFuncGetAttribute");
  Check(TheDriver().cuFuncGetAttribute(&ptx, kPtxVersion, function), "cuFuncGetAttribute");
  const std::string code = "sm_" + std::to_string(binary);
  // What the driver compiles is for the device itself, from PTX of an older architecture.
  return binary == ptx ? code : code + ", compiled by the driver from PTX of compute_" + std::to_string(ptx);
}

}  // namespace soul::cuda
