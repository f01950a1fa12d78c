#include "runtime/cuda/device_code.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>

#include "runtime/cuda/driver.h"

#if defined(SOUL_DEVICE_CODE_FOLDER)
#define SOUL_EMBED(name)                             \
  __asm__(                                           \
      ".pushsection .rodata\n"                       \
      ".balign 64\n"                                 \
      ".hidden soul_device_code_" #name              \
      "\n"                                           \
      ".globl soul_device_code_" #name               \
      "\n"                                           \
      "soul_device_code_" #name                      \
      ":\n"                                          \
      ".incbin \"" SOUL_DEVICE_CODE_FOLDER "/" #name \
      ".fatbin\"\n"                                  \
      ".popsection\n");                              \
  extern "C" __attribute__((visibility("hidden"))) const unsigned char soul_device_code_##name[]

SOUL_EMBED(optimizers);
SOUL_EMBED(vectors);
SOUL_EMBED(tokens);
#endif

namespace soul::cuda {
namespace {

constexpr const char* kNames[kDeviceCodes] = {"optimizers", "vectors", "tokens"};

std::string Given() {
  const char* given = std::getenv("SOUL_DEVICE_CODE");
  return given == nullptr ? "" : given;
}

// Read once; null where the file cannot be read.
const char* ReadImage(const std::string& folder, DeviceCode code) {
  static std::mutex mutex;
  static std::string images[kDeviceCodes];
  const std::lock_guard lock(mutex);
  std::string& image = images[static_cast<int>(code)];
  if (image.empty()) {
    std::ifstream file(folder + "/" + kNames[static_cast<int>(code)] + ".fatbin", std::ios::binary);
    image.assign(std::istreambuf_iterator<char>(file), {});
  }
  return image.empty() ? nullptr : image.data();
}

const void* Embedded([[maybe_unused]] DeviceCode code) {
#if defined(SOUL_DEVICE_CODE_FOLDER)
  switch (code) {
    case DeviceCode::kOptimizers:
      return soul_device_code_optimizers;
    case DeviceCode::kVectors:
      return soul_device_code_vectors;
    case DeviceCode::kTokens:
      return soul_device_code_tokens;
  }
#endif
  return nullptr;
}

}  // namespace

bool HasDeviceCode() {
  return !Given().empty() || Embedded(DeviceCode::kVectors) != nullptr;
}

const void* DeviceCodeImage(DeviceCode code) {
  const std::string given = Given();
  if (given == "none") return "";
  if (!given.empty()) {
    const char* image = ReadImage(given, code);
    if (image != nullptr) return image;
    throw DriverError("SOUL_NOT_FOUND", "SOUL_DEVICE_CODE is " + given + ", but there is no " +
                                            kNames[static_cast<int>(code)] + ".fatbin in it");
  }
  const void* image = Embedded(code);
  if (image == nullptr)
    throw DriverError("SOUL_UNSUPPORTED", "this build of the addon holds no code for GPUs");
  return image;
}

}  // namespace soul::cuda
