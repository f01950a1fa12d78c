#include "runtime/cuda/driver.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>

namespace soul::cuda {
namespace {

Driver functions;
std::string driver_problem;
bool driver_found = false;

std::string LibraryName() {
  const char* given = std::getenv("SOUL_CUDA_DRIVER");
  return given != nullptr && *given != '\0' ? given : "libcuda.so.1";
}

// One sentence why there is no driver to use; empty where there is one.
std::string Load() {
  const std::string library = LibraryName();
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    return "NVIDIA's driver library " + library + " could not be loaded (" +
           (reason != nullptr ? reason : "no reason given") +
           "); install NVIDIA's driver 580 or newer, or name its library in SOUL_CUDA_DRIVER";
  }
#define SOUL_DRIVER_LOAD(name, arguments)                                            \
  functions.name = reinterpret_cast<decltype(functions.name)>(dlsym(handle, #name)); \
  if (functions.name == nullptr)                                                     \
    return "the driver library " + library +                                         \
           " lacks " #name ": it is older than driver 580, which is needed; update NVIDIA's driver";
  SOUL_DRIVER_FUNCTIONS(SOUL_DRIVER_LOAD)
#undef SOUL_DRIVER_LOAD
  return "";
}

// Failures after which a process can do nothing more with the device.
bool IsFinal(Result result) {
  switch (result) {
    case 46:   // device unavailable
    case 101:  // invalid device
    case 214:  // uncorrectable ECC error
    case 219:  // NVLink
    case 700:  // illegal address
    case 702:  // launch timeout
    case 709:  // context destroyed
    case 710:  // assert
    case 714:  // hardware stack error
    case 715:  // illegal instruction
    case 716:  // misaligned address
    case 717:  // invalid address space
    case 718:  // invalid program counter
    case 719:  // launch failed
    case 999:  // unknown
      return true;
    default:
      return false;
  }
}

}  // namespace

const Driver* FindDriver(std::string* problem) {
  static std::once_flag once;
  std::call_once(once, [] {
    driver_problem = Load();
    driver_found = driver_problem.empty();
  });
  if (problem != nullptr) *problem = driver_problem;
  return driver_found ? &functions : nullptr;
}

const Driver& TheDriver() {
  std::string problem;
  const Driver* driver = FindDriver(&problem);
  if (driver == nullptr) throw DriverError("SOUL_UNSUPPORTED", problem);
  return *driver;
}

std::string NameOf(Result result) {
  const char* name = nullptr;
  const char* text = nullptr;
  if (!driver_found || functions.cuGetErrorName(result, &name) != kSuccess || name == nullptr) {
    return "error " + std::to_string(result);
  }
  if (functions.cuGetErrorString(result, &text) != kSuccess || text == nullptr) return name;
  return std::string(name) + ", " + text;
}

void Check(Result result, const char* what) {
  if (result == kSuccess) return;
  const std::string failure = std::string(what) + " failed: " + NameOf(result);
  if (result == kOutOfMemory) {
    throw DriverError("SOUL_OUT_OF_MEMORY",
                      "the GPU is out of memory (" + failure + "); release buffers, or use a smaller model");
  }
  if (IsFinal(result)) {
    throw DriverError("SOUL_DEVICE_FAILED",
                      "the GPU failed (" + failure +
                          "); what its memory holds is lost to this process: restart it, and "
                          "look at the system's log if it happens again");
  }
  throw DriverError("SOUL_DEVICE_FAILED", "the GPU's driver refused a call (" + failure + ")");
}

}  // namespace soul::cuda
