// What the machine offers and what of it is in use; and the memory limit that benchmarks hold kernels
// against.
#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"
#include "kernels/cpu/kernels.h"
#include "runtime/chunks.h"

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

// configure({ instructionSet?, threads? }) -> Promise<void>, in the order of the calls. The instruction set
// is the process's, the threads are this environment's.
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
  return PostWork(env, {}, [&pool = PoolOf(env), wanted, threads] {
    if (wanted != nullptr) UseKernels(wanted->name);
    if (threads > 0) pool.set_threads(threads);
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
  for (const std::vector<FlatMemory>* buffers : {&reads, &writes}) {
    for (const FlatMemory& memory : *buffers) {
      if (length < 0) length = memory.length;
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
