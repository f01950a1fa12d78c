// What the machine offers and what of it is in use; and the memory limit that benchmarks hold kernels
// against.
#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cuda/block.h"
#include "runtime/chunks.h"
#include "runtime/cuda/vector_launches.h"

namespace soul {
namespace {

constexpr uint32_t kMostBuffers = 16;

// machine() -> { instructionSet, instructionSets, threads, hardwareThreads }
Napi::Value Machine(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object machine = Napi::Object::New(env);
  Napi::Array sets = Napi::Array::New(env);
  for (const CpuKernels* kernels : SupportedKernels()) {
    sets.Set(sets.Length(), Napi::String::New(env, kernels->name));
  }
  machine.Set("instructionSet", ActiveKernels().name);
  machine.Set("instructionSets", sets);
  machine.Set("threads", PoolOf(env).threads());
  machine.Set("hardwareThreads", static_cast<double>(std::thread::hardware_concurrency()));
  return machine;
}

// -1 where it is left out.
int64_t ReadShape(const Napi::Value& value, const char* name, int64_t most) {
  return value.IsUndefined() ? -1 : ReadInteger(value, name, 0, most);
}

// configure({ instructionSet?, threads?, cudaThreads?, cudaBlocks? }) -> Promise<void>, in the order of the
// calls. The instruction set is the process's, the rest is this environment's; a launch shape of 0 is the
// device's own.
Napi::Value Configure(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object settings = ReadObject(Argument(info, 0), "settings");
  const Napi::Value set = settings.Get("instructionSet");
  const CpuKernels* wanted = nullptr;
  if (!set.IsUndefined()) {
    const std::string name = set.IsString() ? set.As<Napi::String>().Utf8Value() : "";
    std::string known;
    for (const CpuKernels* kernels : SupportedKernels()) {
      if (name == kernels->name) wanted = kernels;
      known += std::string(known.empty() ? "" : ", ") + kernels->name;
    }
    if (wanted == nullptr) ThrowInvalid(env, "instructionSet", "one of " + known);
  }
  const Napi::Value count = settings.Get("threads");
  const int threads =
      count.IsUndefined() ? 0 : static_cast<int>(ReadInteger(count, "threads", 1, ThreadPool::kMostThreads));
  const int64_t cuda_threads = ReadShape(settings.Get("cudaThreads"), "cudaThreads", kMostThreads);
  const int64_t cuda_blocks = ReadShape(settings.Get("cudaBlocks"), "cudaBlocks", INT32_MAX);
  if (cuda_threads > 0 && cuda_threads % kWarp != 0) ThrowInvalid(env, "cudaThreads", "a multiple of 32");
  if ((cuda_threads < 0) != (cuda_blocks < 0))
    ThrowInvalid(env, "cudaBlocks", "given with cudaThreads, and only so");
  return PostWork(env, {}, [&environment = EnvironmentOf(env), wanted, threads, cuda_threads, cuda_blocks] {
    if (wanted != nullptr) UseKernels(wanted->name);
    if (threads > 0) environment.pool.set_threads(threads);
    if (cuda_threads >= 0) environment.queues.ForceShape(static_cast<int32_t>(cuda_threads), cuda_blocks);
    return Outcome{};
  });
}

std::vector<FlatMemory> ReadBuffers(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) ThrowInvalid(value.Env(), name, "an array of memory");
  const Napi::Array array = value.As<Napi::Array>();
  if (array.Length() > kMostBuffers) ThrowInvalid(value.Env(), name, "at most 16 buffers");
  std::vector<FlatMemory> buffers;
  for (uint32_t i = 0; i < array.Length(); ++i) buffers.push_back(ReadFloating(array.Get(i), name));
  return buffers;
}

// streamPattern(reads, writes) -> Promise<void>: every byte of `reads` is read and every byte of `writes`
// written once, in the order in which steps walk memory, with next to no arithmetic. What is in both is
// updated in place.
Napi::Value StreamPattern(const Napi::CallbackInfo& info) {
  const std::vector<FlatMemory> reads = ReadBuffers(Argument(info, 0), "reads");
  const std::vector<FlatMemory> writes = ReadBuffers(Argument(info, 1), "writes");
  std::vector<Napi::Value> held;
  std::vector<Stream> streams;
  int64_t length = -1;
  int32_t device = SOUL_CPU;
  for (const std::vector<FlatMemory>* buffers : {&reads, &writes}) {
    for (const FlatMemory& memory : *buffers) {
      if (length < 0) {
        length = memory.length;
        device = memory.device;
      }
      if (memory.device != device)
        ThrowInvalid(info.Env(), "writes", "on " + DeviceName(device) + " as the others are");
      if (memory.length != length) ThrowInvalid(info.Env(), "writes", "of the length of the reads");
      held.push_back(memory.value);
      Stream* known = nullptr;
      for (Stream& stream : streams) {
        if (stream.elements.data == memory.elements.data) known = &stream;
      }
      if (known == nullptr) known = &streams.emplace_back(Stream{memory.elements, false, false});
      (buffers == &reads ? known->read : known->written) = true;
    }
  }
  if (device != SOUL_CPU) {
    return PostDeviceWork(info.Env(), held, device,
                          [streams = std::move(streams), length](cuda::Queue& queue) -> DeviceOutcome {
                            cuda::EnqueueStreamPattern(queue, streams, length);
                            return {};
                          });
  }
  return PostWork(info.Env(), held, [&pool = PoolOf(info.Env()), streams = std::move(streams), length] {
    ForChunks(pool, 0, length, [&](int64_t begin, int64_t end, int) {
      ActiveKernels().stream(streams.data(), static_cast<int32_t>(streams.size()), begin, end);
    });
    return Outcome{};
  });
}

}  // namespace

void ExportMachineCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("machine", Napi::Function::New(env, Machine, "machine"));
  exports.Set("configure", Napi::Function::New(env, Configure, "configure"));
  exports.Set("streamPattern", Napi::Function::New(env, StreamPattern, "streamPattern"));
}

}  // namespace soul
