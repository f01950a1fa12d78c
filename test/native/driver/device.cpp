#include "driver/device.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "driver/scenario.h"
#include "simt/block.h"
#include "simt/run.h"

namespace soul::emulated {
namespace {

// Different in all that a program may depend on.
CUctx_st* MakeDevice(int ordinal) {
  const std::size_t memory = TheScenario().memory;
  return ordinal == 0 ? new CUctx_st(0, 90, 2, memory) : new CUctx_st(1, 86, 3, memory);
}

constexpr uintptr_t kLegacyStream = 1;
constexpr uintptr_t kPerThreadStream = 2;
constexpr uintptr_t kFirstNamedStream = 0x1000;
constexpr uintptr_t kLastNamedStream = 0x10ff;

std::mutex& kernel_mutex = *new std::mutex;
int64_t kernels_run = 0;

}  // namespace

CUctx_st* DeviceAt(int ordinal) {
  static CUctx_st* const devices[kMostDevices] = {MakeDevice(0), MakeDevice(1)};
  return ordinal >= 0 && ordinal < kMostDevices && ordinal < TheScenario().devices ? devices[ordinal]
                                                                                   : nullptr;
}

CUctx_st* OwnerOf(uintptr_t address) {
  for (int ordinal = 0; ordinal < kMostDevices; ++ordinal) {
    CUctx_st* device = DeviceAt(ordinal);
    if (device != nullptr && device->memory.Find(address, 1).bytes != 0) return device;
  }
  return nullptr;
}

WorkStream* StreamOf(CUctx_st* device, const void* handle) {
  auto name = reinterpret_cast<uintptr_t>(handle);
  if (name == kLegacyStream) name = 0;
  if (name == kPerThreadStream) {
    // One for each thread that calls: a name that no handle has.
    static std::atomic<uintptr_t> threads = 0;
    thread_local const uintptr_t thread = ++threads;
    name = ~thread;
  } else if (name != 0 && (name < kFirstNamedStream || name > kLastNamedStream)) {
    return nullptr;
  }
  const std::lock_guard lock(device->mutex);
  std::unique_ptr<WorkStream>& stream = device->streams[name];
  if (!stream) stream = std::make_unique<WorkStream>();
  return stream.get();
}

void WaitForAllStreams(CUctx_st* device) {
  std::vector<WorkStream*> streams;
  {
    const std::lock_guard lock(device->mutex);
    for (const auto& [name, stream] : device->streams) streams.push_back(stream.get());
  }
  for (WorkStream* stream : streams) stream->Wait();
}

void Break(CUctx_st* device, int result, const std::string& why) {
  int none = 0;
  if (!device->error.compare_exchange_strong(none, result)) return;
  std::fprintf(stderr, "emulated device %d: %s\n", device->ordinal, why.c_str());
}

void RunKernel(CUctx_st* device, const simt::Kernel& kernel, int64_t blocks, int32_t threads,
               const void* parameters) {
  const Scenario& scenario = TheScenario();
  if (scenario.delay > 0) std::this_thread::sleep_for(std::chrono::milliseconds(scenario.delay));
  const std::lock_guard lock(kernel_mutex);
  if (device->error != 0) return;
  if (++kernels_run == scenario.fault) {
    Break(device, simt::kIllegalAddress, std::string("a fault was asked for in ") + kernel.name);
    return;
  }
  std::vector<simt::Range> memory = device->memory.Open();
  Pinned().AddTo(&memory);
  std::sort(memory.begin(), memory.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  const simt::Outcome outcome =
      simt::Run(kernel, blocks, threads, parameters, scenario.order + static_cast<uint64_t>(kernels_run),
                std::move(memory));
  const std::string beside = device->memory.Close();
  if (outcome.result != 0) {
    Break(device, outcome.result, outcome.problem);
  } else if (!beside.empty()) {
    Break(device, simt::kIllegalAddress, std::string("kernel ") + kernel.name + " " + beside);
  }
}

}  // namespace soul::emulated
