#include "device_turn.h"

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#ifndef _WIN32
#include <dlfcn.h>
#endif

#include <utility>

#include "block_pool.h"

namespace soul {
namespace {

c10::Device DeviceOf(int32_t ordinal) {
  return c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(ordinal));
}

}  // namespace

void LoadLibraries(const std::vector<std::string>& files) {
#ifdef _WIN32
  if (!files.empty()) throw Failure("SOUL_UNSUPPORTED", "models on CUDA are not supported on Windows");
#else
  for (const std::string& file : files) {
    // Local, as Python loads them: their symbols must not take the place of another addon's. Never closed
    // again.
    if (dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) continue;
    const char* reason = dlerror();
    throw Failure("SOUL_ENGINE_MISSING",
                  file + " could not be loaded: " + (reason ? reason : "no reason given"));
  }
#endif
}

void PrepareDevice(int32_t ordinal) {
  if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) {
    throw Failure("SOUL_ENGINE_MISSING", "the CUDA part of libtorch is not loaded");
  }
  const int64_t count = c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).deviceCount();
  if (ordinal >= count) {
    throw Failure("SOUL_UNSUPPORTED", "libtorch finds " + std::to_string(count) +
                                          " CUDA devices, so it has no cuda:" + std::to_string(ordinal));
  }
  at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
}

void* CurrentStream(int32_t ordinal) {
  const c10::impl::VirtualGuardImpl implementation(c10::DeviceType::CUDA);
  return implementation.getStreamNativeHandle(implementation.getStream(DeviceOf(ordinal)));
}

void GiveMemoryBack(int32_t ordinal) {
  if (ordinal == SOUL_CPU) return BlockPool::Instance().Trim();
  auto* const allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(c10::DeviceType::CUDA));
  if (allocator != nullptr) allocator->emptyCache();
}

Failure DeviceFailure(const std::string& sentence) {
  const bool memory = sentence.find("out of memory") != std::string::npos;
  return Failure(memory ? "SOUL_OUT_OF_MEMORY" : "SOUL_DEVICE_FAILED", sentence);
}

void Check(const char* sentence) {
  if (sentence) throw DeviceFailure(sentence);
}

DeviceTurn::DeviceTurn(const SoulInterface& table, int32_t ordinal)
    : table_(table), ordinal_(ordinal), guard_(DeviceOf(ordinal)), stream_(CurrentStream(ordinal)) {
  Check(table_.enter_stream(table_.dispatcher, ordinal_, stream_));
  entered_ = true;
}

DeviceTurn::~DeviceTurn() {
  if (entered_) table_.leave_stream(table_.dispatcher, ordinal_, stream_);
}

void DeviceTurn::Finish(void (*failed)(void*, const char*), void* context) {
  entered_ = false;
  Check(table_.leave_stream(table_.dispatcher, ordinal_, stream_));
  Check(table_.wait_for_device(table_.dispatcher, ordinal_, failed, context));
}

}  // namespace soul
