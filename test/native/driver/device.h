// A device of the stand-in driver, which is its primary context too.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "driver/memory.h"
#include "driver/stream.h"
#include "simt/kernels.h"

// cuCtx and CUmodule handles point to these.
struct CUctx_st {
  CUctx_st(int index, int architecture_number, int multiprocessor_count, std::size_t memory_limit)
      : ordinal(index),
        architecture(architecture_number),
        multiprocessors(multiprocessor_count),
        memory(memory_limit) {}

  const int ordinal;
  const int architecture;  // 90: compute capability 9.0
  const int multiprocessors;
  soul::emulated::DeviceMemory memory;
  std::atomic<int> error = 0;  // what every call gives from then on
  std::mutex mutex;
  std::map<uintptr_t, std::unique_ptr<soul::emulated::WorkStream>> streams;
};

struct CUfunc_st {
  CUctx_st* device;
  const soul::simt::Kernel* kernel;
};

struct CUmod_st {
  CUctx_st* device;
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<CUfunc_st>> functions;
};

namespace soul::emulated {

constexpr int kMostDevices = 2;

// As many as the scenario says; null beyond.
CUctx_st* DeviceAt(int ordinal);
// Whose memory the address is; null where it is no device's.
CUctx_st* OwnerOf(uintptr_t address);

// The stream of a handle, on a device: null and CU_STREAM_LEGACY are the default stream,
// CU_STREAM_PER_THREAD is the calling thread's; 0x1000 to 0x10ff are streams made when they are first named,
// for tests that have no way to make one. None waits for another but by events. Null for all other handles.
WorkStream* StreamOf(CUctx_st* device, const void* handle);
void WaitForAllStreams(CUctx_st* device);

// Ends all further use of the device, and says why on standard error.
void Break(CUctx_st* device, int result, const std::string& why);

// Runs a kernel now, on the calling thread.
void RunKernel(CUctx_st* device, const simt::Kernel& kernel, int64_t blocks, int32_t threads,
               const void* parameters);

}  // namespace soul::emulated
