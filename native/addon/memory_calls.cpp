// Calls on memory: describe, wrap a pointer, fill, copy, wait for a turn.
#include <algorithm>
#include <cstring>
#include <limits>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "addon/wrapped_memory.h"
#include "kernels/float_math.h"
#include "runtime/cuda/transfers.h"

namespace soul {
namespace {

int64_t BytesOf(const FlatMemory& memory) {
  return memory.length * static_cast<int64_t>(SizeOf(memory.elements.dtype));
}

// describe(memory) -> { address: bigint, byteLength: bigint }
Napi::Value Describe(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadMemory(Argument(info, 0), "memory");
  Napi::Object result = Napi::Object::New(info.Env());
  const auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(memory.elements.data));
  result.Set("address", Napi::BigInt::New(info.Env(), address));
  result.Set("byteLength", Napi::BigInt::New(info.Env(), static_cast<uint64_t>(BytesOf(memory))));
  return result;
}

// That a pointer is a device's own, as its driver says.
void CheckDevicePointer(Napi::Env env, uint64_t address, uint64_t bytes, int32_t device) {
  const cuda::Driver& driver = cuda::TheDriver();
  cuda::Device::Get(device).Use();
  unsigned type = 0;
  int ordinal = -1;
  cuda::Address start = 0;
  std::size_t size = 0;
  const bool known =
      driver.cuPointerGetAttribute(&type, cuda::kPointerMemoryType, address) == cuda::kSuccess &&
      driver.cuPointerGetAttribute(&ordinal, cuda::kPointerDeviceOrdinal, address) == cuda::kSuccess;
  if (!known || type != cuda::kMemoryTypeDevice || ordinal != device) {
    ThrowInvalid(env, "pointer",
                 "memory of " + DeviceName(device) + ", which its driver does not know it for");
  }
  const bool ranged =
      driver.cuPointerGetAttribute(&start, cuda::kPointerRangeStart, address) == cuda::kSuccess &&
      driver.cuPointerGetAttribute(&size, cuda::kPointerRangeSize, address) == cuda::kSuccess;
  if (ranged && address - start + bytes > size) {
    ThrowInvalid(env, "length",
                 "such that the memory ends within its allocation, of which " +
                     std::to_string(size - (address - start)) + " bytes are left there");
  }
}

// fromPointer(address: bigint, length, dtype, device) -> External. That the pointer is true is the caller's
// word, but that it is a device's is asked of its driver.
Napi::Value FromPointer(const Napi::CallbackInfo& info) {
  const uint64_t address = ReadUnsigned64(Argument(info, 0), "pointer");
  const int64_t length = ReadInteger(Argument(info, 1), "length", 0, int64_t{1} << 53);
  const DType dtype = ReadDType(Argument(info, 2));
  const auto device = static_cast<int32_t>(ReadInteger(Argument(info, 3), "device", SOUL_CPU, kMostDevices));
  const uint64_t size = SizeOf(dtype);
  if (address == 0) ThrowInvalid(info.Env(), "pointer", "not null");
  if (address % size != 0)
    ThrowInvalid(info.Env(), "pointer", "aligned to " + std::to_string(size) + " bytes");
  const uint64_t bytes = static_cast<uint64_t>(length) * size;
  if (address > std::numeric_limits<uintptr_t>::max() - bytes) {
    ThrowInvalid(info.Env(), "length", "such that the memory ends within the address space");
  }
  if (device != SOUL_CPU) {
    CallDriver(info.Env(), [&] { CheckDevicePointer(info.Env(), address, bytes, device); });
  }
  return WrapMemory(info.Env(),
                    {{reinterpret_cast<void*>(static_cast<uintptr_t>(address)), static_cast<uint64_t>(length),
                      static_cast<uint32_t>(dtype), device, nullptr},
                     nullptr,
                     false});
}

// view(memory, start, length) -> External, for memory that is an External.
Napi::Value View(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadMemory(Argument(info, 0), "memory");
  if (!memory.value.IsExternal()) ThrowInvalid(info.Env(), "memory", "an External");
  const int64_t start = ReadInteger(Argument(info, 1), "start", 0, memory.length);
  const int64_t length = ReadInteger(Argument(info, 2), "length", 0, memory.length - start);
  WrappedMemory part = *Unwrap(memory.value);
  part.whole = false;
  if (part.data != nullptr) {
    part.data =
        static_cast<char*>(part.data) + static_cast<std::size_t>(start) * SizeOf(memory.elements.dtype);
  }
  part.length = static_cast<uint64_t>(length);
  return WrapMemory(info.Env(), part);
}

// The bits of a number as an element.
uint32_t ElementBits(DType dtype, double number) {
  if (dtype == DType::kUint8) return static_cast<uint32_t>(number);
  const float value = ToFloat(number);
  return dtype == DType::kFloat32 ? FloatBits(value) : ToBFloat16(value);
}

// fill(memory, value) -> Promise<void>
Napi::Value Fill(const Napi::CallbackInfo& info) {
  const FlatMemory memory = ReadMemory(Argument(info, 0), "memory");
  const DType dtype = memory.elements.dtype;
  if (!Argument(info, 1).IsNumber()) ThrowInvalid(info.Env(), "value", "a number");
  const double number = dtype == DType::kUint8
                            ? static_cast<double>(ReadInteger(Argument(info, 1), "value", 0, 255))
                            : Argument(info, 1).As<Napi::Number>().DoubleValue();
  const uint32_t bits = ElementBits(dtype, number);
  void* data = memory.elements.data;
  if (memory.device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), {memory.value}, memory.device,
                          [data, dtype, length = memory.length, bits](cuda::Queue& queue) -> DeviceOutcome {
                            queue.Fill(data, bits, SizeOf(dtype), static_cast<std::size_t>(length));
                            return {};
                          });
  }
  return PostWork(
      info.Env(), {memory.value},
      [data, dtype, length = memory.length, bits] {
        if (dtype == DType::kFloat32) std::fill_n(static_cast<float*>(data), length, FloatFromBits(bits));
        if (dtype == DType::kBFloat16)
          std::fill_n(static_cast<uint16_t*>(data), length, static_cast<uint16_t>(bits));
        if (dtype == DType::kUint8)
          std::fill_n(static_cast<uint8_t*>(data), length, static_cast<uint8_t>(bits));
        return Outcome{};
      },
      memory.length);
}

// copy(destination, source) -> Promise<void>, of one dtype and length; on one device the two may overlap.
Napi::Value Copy(const Napi::CallbackInfo& info) {
  const FlatMemory destination = ReadMemory(Argument(info, 0), "destination");
  const FlatMemory source = ReadMemory(Argument(info, 1), "source");
  if (source.length != destination.length || source.elements.dtype != destination.elements.dtype) {
    ThrowInvalid(info.Env(), "source", "of the destination's length and dtype");
  }
  const std::vector<Napi::Value> held{destination.value, source.value};
  const bool from_host = source.device == SOUL_CPU;
  const bool to_host = destination.device == SOUL_CPU;
  if (from_host && to_host) {
    return PostWork(
        info.Env(), held,
        [to = destination.elements.data, from = source.elements.data, bytes = BytesOf(source)] {
          if (bytes > 0) std::memmove(to, from, static_cast<std::size_t>(bytes));
          return Outcome{};
        },
        source.length);
  }
  const auto transfer = [&queues = EnvironmentOf(info.Env()).queues, to = destination.elements,
                         to_device = destination.device, from = source.elements, from_device = source.device,
                         length = source.length] {
    cuda::Transfer([&](int32_t device) -> cuda::Queue& { return queues.Of(device); }, to, to_device, from,
                   from_device, length);
  };
  // Host memory is waited for, which the JavaScript thread must not do.
  if (from_host || to_host) {
    return PostWork(info.Env(), held, [transfer] {
      transfer();
      return Outcome{};
    });
  }
  return PostDeviceWork(info.Env(), held, destination.device, [transfer](cuda::Queue&) -> DeviceOutcome {
    transfer();
    return {};
  });
}

// fence() -> Promise<void> that resolves when everything posted before is done.
Napi::Value Fence(const Napi::CallbackInfo& info) {
  return PostFence(info.Env());
}

}  // namespace

void ExportMemoryCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("describe", Napi::Function::New(env, Describe, "describe"));
  exports.Set("fromPointer", Napi::Function::New(env, FromPointer, "fromPointer"));
  exports.Set("view", Napi::Function::New(env, View, "view"));
  exports.Set("fill", Napi::Function::New(env, Fill, "fill"));
  exports.Set("copy", Napi::Function::New(env, Copy, "copy"));
  exports.Set("fence", Napi::Function::New(env, Fence, "fence"));
}

}  // namespace soul
