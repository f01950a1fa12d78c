// The driver's functions about modules, kernels, streams and events.
#include <atomic>
#include <cstring>
#include <set>
#include <vector>

#include "driver/library.h"
#include "simt/block.h"

using namespace soul::emulated;
using soul::cuda::Event;
using soul::cuda::Function;
using soul::cuda::kInvalidValue;
using soul::cuda::Module;
using soul::cuda::Stream;

namespace {

std::atomic<int64_t> launches = 0;

// Handles are looked up before they are used.
template <typename T>
class Handles {
 public:
  void Add(T* handle) {
    const std::lock_guard lock(mutex_);
    handles_.insert(handle);
  }
  bool Remove(T* handle) {
    const std::lock_guard lock(mutex_);
    return handles_.erase(handle) == 1;
  }
  bool Holds(T* handle) {
    const std::lock_guard lock(mutex_);
    return handles_.contains(handle);
  }

 private:
  std::mutex mutex_;
  std::set<T*> handles_;
};

Handles<CUmod_st>& modules = *new Handles<CUmod_st>;
Handles<CUfunc_st>& functions = *new Handles<CUfunc_st>;
Handles<CUevent_st>& events = *new Handles<CUevent_st>;

std::shared_ptr<Moment> LatestOf(Event event) {
  const std::lock_guard lock(event->mutex);
  return event->latest;
}

}  // namespace

// Any image will do: the kernels are those that were linked in.
SOUL_EXPORTED cuModuleLoadData(Module* module, const void* image) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (module == nullptr || image == nullptr) return kInvalidValue;
  *module = new CUmod_st{device, {}, {}};
  modules.Add(*module);
  return 0;
}

SOUL_EXPORTED cuModuleGetFunction(Function* function, Module module, const char* name) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (!modules.Holds(module)) return kInvalidHandle;
  const soul::simt::Kernel* kernel = soul::simt::FindKernel(name);
  if (kernel == nullptr) return kNotFound;
  const std::lock_guard lock(module->mutex);
  std::unique_ptr<CUfunc_st>& entry = module->functions[name];
  if (!entry) entry = std::make_unique<CUfunc_st>(CUfunc_st{module->device, kernel});
  functions.Add(entry.get());
  *function = entry.get();
  return 0;
}

SOUL_EXPORTED cuFuncLoad(Function function) {
  SOUL_BEGIN_IN_CONTEXT(device);
  return functions.Holds(function) ? 0 : kInvalidHandle;
}

SOUL_EXPORTED cuFuncGetAttribute(int* value, int attribute, Function function) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (!functions.Holds(function)) return kInvalidHandle;
  const int architecture = function->device->architecture;
  switch (attribute) {
    case soul::cuda::kBinaryVersion:
      *value = architecture;
      return 0;
    case soul::cuda::kPtxVersion:
      *value = TheScenario().ptx > 0 ? TheScenario().ptx : architecture;
      return 0;
    default:
      return kInvalidValue;
  }
}

SOUL_EXPORTED cuLaunchKernel(Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                             unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                             Stream stream_handle, void** parameters, void** extra) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (!functions.Holds(function) || function->device != device) return kInvalidHandle;
  WorkStream* stream = StreamOf(device, stream_handle);
  if (stream == nullptr) return kInvalidHandle;
  const soul::simt::Kernel& kernel = *function->kernel;
  if (grid_x < 1 || grid_x > 0x7fffffffu || grid_y != 1 || grid_z != 1 || block_x < 32 || block_x % 32 != 0 ||
      block_x > 512 || block_y != 1 || block_z != 1 || shared_bytes != 0 || extra != nullptr ||
      parameters == nullptr) {
    return kInvalidValue;
  }
  Trace(std::string("  ") + kernel.name + " " + std::to_string(grid_x) + " " + std::to_string(block_x));
  const int64_t lost_after = TheScenario().lost_after;
  if (lost_after >= 0 && ++launches == lost_after + 1) {
    Break(device, kDeviceUnavailable, "it is gone");
    return kDeviceUnavailable;
  }
  struct alignas(64) Copy {
    unsigned char bytes[4096];
  };
  auto copy = std::make_shared<Copy>();
  std::memcpy(copy->bytes, parameters[0], kernel.parameter_bytes);
  stream->Enqueue([device, &kernel, grid_x, block_x, copy] {
    RunKernel(device, kernel, grid_x, static_cast<int32_t>(block_x), copy->bytes);
  });
  return 0;
}

SOUL_EXPORTED cuStreamSynchronize(Stream stream_handle) {
  SOUL_BEGIN_IN_CONTEXT(device);
  WorkStream* stream = StreamOf(device, stream_handle);
  if (stream == nullptr) return kInvalidHandle;
  stream->Wait();
  return device->error;
}

SOUL_EXPORTED cuCtxSynchronize() {
  SOUL_BEGIN_IN_CONTEXT(device);
  WaitForAllStreams(device);
  return device->error;
}

SOUL_EXPORTED cuStreamWaitEvent(Stream stream_handle, Event event, unsigned flags) {
  SOUL_BEGIN_IN_CONTEXT(device);
  WorkStream* stream = StreamOf(device, stream_handle);
  if (stream == nullptr || !events.Holds(event)) return kInvalidHandle;
  if (flags > 1) return kInvalidValue;
  if (const std::shared_ptr<Moment> moment = LatestOf(event)) {
    stream->Enqueue([moment] { moment->Wait(); });
  }
  return 0;
}

SOUL_EXPORTED cuEventCreate(Event* event, unsigned flags) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (flags > 7) return kInvalidValue;
  *event = new CUevent_st;
  (*event)->device = device->ordinal;
  (*event)->flags = flags;
  events.Add(*event);
  return 0;
}

SOUL_EXPORTED cuEventDestroy_v2(Event event) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (!events.Remove(event)) return kInvalidHandle;
  delete event;
  return 0;
}

SOUL_EXPORTED cuEventRecord(Event event, Stream stream_handle) {
  SOUL_BEGIN_IN_CONTEXT(device);
  WorkStream* stream = StreamOf(device, stream_handle);
  if (stream == nullptr || !events.Holds(event) || event->device != device->ordinal) return kInvalidHandle;
  auto moment = std::make_shared<Moment>();
  {
    const std::lock_guard lock(event->mutex);
    event->latest = moment;
  }
  stream->Enqueue([moment] { moment->Come(); });
  return 0;
}

SOUL_EXPORTED cuEventSynchronize(Event event) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (!events.Holds(event)) return kInvalidHandle;
  if (const std::shared_ptr<Moment> moment = LatestOf(event)) moment->Wait();
  return DeviceAt(event->device)->error;
}

SOUL_EXPORTED cuEventElapsedTime(float* milliseconds, Event start, Event end) {
  SOUL_BEGIN_IN_CONTEXT(device);
  if (!events.Holds(start) || !events.Holds(end)) return kInvalidHandle;
  if (((start->flags | end->flags) & soul::cuda::kEventDisableTiming) != 0) return kInvalidHandle;
  const std::shared_ptr<Moment> from = LatestOf(start);
  const std::shared_ptr<Moment> to = LatestOf(end);
  if (!from || !to || start->device != end->device) return kInvalidHandle;
  if (!from->has_come() || !to->has_come()) return soul::cuda::kNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(to->time() - from->time()).count();
  return 0;
}
