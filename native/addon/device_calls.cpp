// Calls about CUDA devices: what there is, memory, streams, time.
#include <string_view>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "addon/wrapped_memory.h"

namespace soul {
namespace {

int32_t ReadDeviceIndex(const Napi::Value& value) {
  return static_cast<int32_t>(ReadInteger(value, "device", 0, kMostDevices - 1));
}

// cudaPlatform() -> { problem, driverVersion, deviceCode, devices: [{ name, architecture, memory,
// multiprocessors, problem }] }; problem is empty where devices can be used.
Napi::Value CudaPlatform(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const cuda::Platform& platform = cuda::FindPlatform();
  Napi::Array devices = Napi::Array::New(env);
  for (const cuda::DeviceDescription& description : platform.devices) {
    Napi::Object device = Napi::Object::New(env);
    device.Set("name", description.name);
    device.Set("architecture", description.architecture);
    device.Set("memory", static_cast<double>(description.memory));
    device.Set("multiprocessors", description.multiprocessors);
    device.Set("problem", description.problem);
    devices.Set(devices.Length(), device);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("problem", platform.problem);
  result.Set("driverVersion", platform.driver_version);
  result.Set("deviceCode", cuda::HasDeviceCode());
  result.Set("devices", devices);
  return result;
}

// cudaMachineCode(device) -> which machine code runs there
Napi::Value CudaMachineCode(const Napi::CallbackInfo& info) {
  const int32_t device = ReadDeviceIndex(Argument(info, 0));
  std::string code;
  CallDriver(info.Env(), [&] { code = cuda::Device::Get(device).MachineCode(); });
  return Napi::String::New(info.Env(), code);
}

// Where memory is out, what was given up before is waited for.
std::shared_ptr<DeviceAllocation> Allocate(Napi::Env env, cuda::Device& device, std::size_t bytes) {
  try {
    return std::make_shared<DeviceAllocation>(device, bytes);
  } catch (const cuda::DriverError& error) {
    if (error.code() != std::string_view("SOUL_OUT_OF_MEMORY") || !EnvironmentOf(env).releases.Wait()) throw;
  }
  return std::make_shared<DeviceAllocation>(device, bytes);
}

// allocDevice(device, length, dtype) -> External, zeroed
Napi::Value AllocDevice(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int32_t device = ReadDeviceIndex(Argument(info, 0));
  const int64_t length = ReadInteger(Argument(info, 1), "length", 0, int64_t{1} << 50);
  const DType dtype = ReadDType(Argument(info, 2));
  const std::size_t bytes = static_cast<std::size_t>(length) * SizeOf(dtype);
  std::shared_ptr<DeviceAllocation> allocation;
  CallDriver(env, [&] { allocation = Allocate(env, cuda::Device::Get(device), bytes); });
  void* memory = allocation->memory();
  const Napi::Value external = WrapMemory(env, {{memory, static_cast<uint64_t>(length),
                                                 static_cast<uint32_t>(dtype), device, &allocation->released},
                                                allocation,
                                                true});
  if (bytes > 0) {
    PostDeviceWorkUnseen(env, {external}, device, [memory, bytes](cuda::Queue& queue) -> DeviceOutcome {
      queue.Fill(memory, 0, 1, bytes);
      return {};
    });
  }
  return external;
}

// releaseDevice(memory) -> Promise<void>: frees what allocDevice gave when all work before is done; the
// handle, and those of views, may not be used any more.
Napi::Value ReleaseDevice(const Napi::CallbackInfo& info) {
  WrappedMemory* memory = Unwrap(Argument(info, 0));
  if (memory == nullptr || !memory->whole || memory->allocation->released) {
    ThrowInvalid(info.Env(), "memory", "memory that allocDevice gave, no view of it, not released before");
  }
  const auto release = std::make_shared<PendingReleases::Release>(EnvironmentOf(info.Env()).releases);
  const Napi::Value promise =
      PostDeviceWork(info.Env(), {Argument(info, 0)}, memory->device,
                     [allocation = memory->allocation, release](cuda::Queue&) -> DeviceOutcome {
                       return [allocation, release] {
                         allocation->Free();
                         release->Done();
                         return Outcome{};
                       };
                     });
  // Where the job could not be posted the memory is still JavaScript's.
  memory->allocation->released = true;
  return promise;
}

// useStream(device, stream: bigint) -> Promise<void>; 0n is the default stream.
Napi::Value UseStream(const Napi::CallbackInfo& info) {
  const int32_t device = ReadDeviceIndex(Argument(info, 0));
  const uint64_t stream = ReadUnsigned64(Argument(info, 1), "stream");
  // Not CU_STREAM_PER_THREAD, which is another one on each thread.
  if (stream == 2) ThrowInvalid(info.Env(), "stream", "a stream that is the same on every thread");
  return PostDeviceWork(info.Env(), {}, device, [stream](cuda::Queue& queue) -> DeviceOutcome {
    queue.UseStream(reinterpret_cast<cuda::Stream>(static_cast<uintptr_t>(stream)));
    return {};
  });
}

// deviceTime(device) -> Promise<[milliseconds]> of the device's time since the first such call.
Napi::Value DeviceTime(const Napi::CallbackInfo& info) {
  return PostDeviceWork(info.Env(), {}, ReadDeviceIndex(Argument(info, 0)),
                        [](cuda::Queue& queue) -> DeviceOutcome {
                          return [time = queue.Time()] { return Outcome{{}, {time()}}; };
                        });
}

}  // namespace

void ExportDeviceCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("cudaPlatform", Napi::Function::New(env, CudaPlatform, "cudaPlatform"));
  exports.Set("cudaMachineCode", Napi::Function::New(env, CudaMachineCode, "cudaMachineCode"));
  exports.Set("allocDevice", Napi::Function::New(env, AllocDevice, "allocDevice"));
  exports.Set("releaseDevice", Napi::Function::New(env, ReleaseDevice, "releaseDevice"));
  exports.Set("useStream", Napi::Function::New(env, UseStream, "useStream"));
  exports.Set("deviceTime", Napi::Function::New(env, DeviceTime, "deviceTime"));
}

}  // namespace soul
