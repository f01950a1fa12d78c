// Runs one trial of the emulator and the stand-in driver, and prints what came of it:
// test/cuda/emulator.test.ts starts it with the trial's name.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/cuda/driver.h"
#include "trials/parameters.h"

#define SOUL_DECLARED(name, arguments) extern "C" soul::cuda::Result name arguments;
using namespace soul::cuda;
using namespace soul::trials;
SOUL_DRIVER_FUNCTIONS(SOUL_DECLARED)

namespace {

Context contexts[2];
Module modules[2];

void Print(const char* what, Result result) {
  const char* name = nullptr;
  cuGetErrorName(result, &name);
  std::printf("%s %s\n", what, name != nullptr ? name : "unnamed");
}

void Begin() {
  cuInit(0);
  for (int device = 1; device >= 0; --device) {
    cuDevicePrimaryCtxRetain(&contexts[device], device);
    cuCtxSetCurrent(contexts[device]);
    cuModuleLoadData(&modules[device], "");
  }
}

Address Allocate(std::size_t bytes) {
  Address memory = 0;
  Print("allocate", cuMemAlloc_v2(&memory, bytes));
  return memory;
}

template <typename T>
T* As(Address memory) {
  return reinterpret_cast<T*>(memory);
}

template <typename Parameters>
Result Launch(const char* name, unsigned blocks, unsigned threads, Parameters parameters, int device = 0,
              Stream stream = nullptr) {
  Function function = nullptr;
  const Result found = cuModuleGetFunction(&function, modules[device], name);
  if (found != kSuccess) return found;
  void* pointers[] = {&parameters};
  return cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, stream, pointers, nullptr);
}

template <typename T>
std::vector<T> Read(Address memory, std::size_t count) {
  std::vector<T> values(count);
  const Result result = cuMemcpyDtoHAsync_v2(values.data(), memory, count * sizeof(T), nullptr);
  if (result != kSuccess) Print("read", result);
  return values;
}

double Sum(unsigned blocks, unsigned threads, bool wait) {
  constexpr std::size_t kCount = 100001;
  std::vector<float> values(kCount);
  for (std::size_t i = 0; i < kCount; ++i) values[i] = static_cast<float>(i % 7);
  Address memory[4] = {};
  const std::size_t bytes[4] = {kCount * 4, blocks * 8, 4, 8};
  for (int i = 0; i < 4; ++i) cuMemAlloc_v2(&memory[i], bytes[i]);
  cuMemcpyHtoDAsync_v2(memory[0], values.data(), kCount * 4, nullptr);
  cuMemsetD32Async(memory[2], 0, 1, nullptr);
  Launch("soul_trial_sum", blocks, threads,
         SumParameters{As<float>(memory[0]), static_cast<int64_t>(kCount), As<double>(memory[1]),
                       As<uint32_t>(memory[2]), As<double>(memory[3]), wait});
  const double total = Read<double>(memory[3], 1)[0];
  for (const Address one : memory) cuMemFree_v2(one);
  return total;
}

void Lanes() {
  const Address memory = Allocate(64 * 16 + 8);
  cuMemsetD8Async(memory, 0, 64 * 16 + 8, nullptr);
  Launch("soul_trial_lanes", 1, 64,
         LanesParameters{As<uint64_t>(memory), As<uint32_t>(memory + 512), As<uint32_t>(memory + 768),
                         As<uint64_t>(memory + 1024)});
  const auto down = Read<uint64_t>(memory, 64);
  const auto across = Read<uint32_t>(memory + 512, 64);
  const auto ballots = Read<uint32_t>(memory + 768, 64);
  for (const int lane : {0, 28, 29, 31, 32, 63}) {
    std::printf("lane %d: %llu %u %08x\n", lane, static_cast<unsigned long long>(down[lane] >> 32),
                across[lane], ballots[lane]);
  }
  std::printf("counter %llu\n", static_cast<unsigned long long>(Read<uint64_t>(memory + 1024, 1)[0]));
}

void DoWrong(Wrong wrong, const std::string& name) {
  constexpr int64_t kCount = 1001;
  const Address memory = Allocate(kCount * 4);
  const Address freed = Allocate(64);
  cuMemFree_v2(freed);
  Address foreign = 0;
  cuCtxSetCurrent(contexts[1]);
  cuMemAlloc_v2(&foreign, 64);
  cuCtxSetCurrent(contexts[0]);
  const Address elsewhere = name == "foreign" ? foreign : freed;
  Print("launch", Launch("soul_trial_wrong", 3, 64,
                         WrongParameters{As<float>(memory), kCount, As<float>(elsewhere), wrong}));
  Print("synchronize", cuStreamSynchronize(nullptr));
  Address more = 0;
  Print("then allocate", cuMemAlloc_v2(&more, 64));
  cuCtxSetCurrent(contexts[1]);
  Print("other device", cuMemAlloc_v2(&more, 64));
}

void Events() {
  const Address memory = Allocate(4096);
  Stream side = reinterpret_cast<Stream>(0x1000);
  Event event = nullptr;
  Event start = nullptr;
  Event end = nullptr;
  cuEventCreate(&event, kEventDisableTiming);
  cuEventCreate(&start, 0);
  cuEventCreate(&end, 0);
  Print("wait for what was not recorded", cuStreamWaitEvent(side, event, 0));
  Print("synchronize what was not recorded", cuEventSynchronize(event));
  void* pinned = nullptr;
  cuMemHostAlloc(&pinned, 4, 0);
  std::memset(pinned, 0, 4);
  cuEventRecord(start, nullptr);
  cuMemsetD32Async(memory, 1, 1024, nullptr);
  Launch("soul_trial_wrong", 1, 32, WrongParameters{As<float>(memory), 1024, nullptr, Wrong::kNothing});
  cuMemsetD32Async(memory, 2, 1024, nullptr);
  cuEventRecord(end, nullptr);
  cuEventRecord(event, nullptr);
  cuStreamWaitEvent(side, event, 0);
  cuMemcpyDtoHAsync_v2(pinned, memory, 4, side);
  float milliseconds = 0;
  Print("elapsed at once", cuEventElapsedTime(&milliseconds, start, end));
  std::printf("pinned at once %d\n", *static_cast<int*>(pinned));
  cuStreamSynchronize(side);
  std::printf("pinned at last %d\n", *static_cast<int*>(pinned));
  Print("elapsed", cuEventElapsedTime(&milliseconds, start, end));
  std::printf("took the delay %d\n", milliseconds >= 50);
  Print("elapsed without timing", cuEventElapsedTime(&milliseconds, event, end));
  Print("destroy", cuEventDestroy_v2(event));
  Print("destroy again", cuEventDestroy_v2(event));
  Print("free pinned", cuMemFreeHost(pinned));
}

void Pointers() {
  const Address memory = Allocate(1000);
  unsigned type = 0;
  int device = -1;
  Address begin = 0;
  std::size_t bytes = 0;
  cuPointerGetAttribute(&type, kPointerMemoryType, memory + 8);
  cuPointerGetAttribute(&device, kPointerDeviceOrdinal, memory + 8);
  cuPointerGetAttribute(&begin, kPointerRangeStart, memory + 8);
  cuPointerGetAttribute(&bytes, kPointerRangeSize, memory + 8);
  std::printf("type %u device %d start %d size %zu aligned %d\n", type, device, begin == memory, bytes,
              memory % 256 == 0);
  int local = 0;
  Print("ordinary memory",
        cuPointerGetAttribute(&type, kPointerMemoryType, reinterpret_cast<Address>(&local)));
  Print("beyond", cuPointerGetAttribute(&type, kPointerMemoryType, memory + 1000));
  Print("copy beyond", cuMemcpyHtoDAsync_v2(memory + 999, &local, 2, nullptr));
  Print("copy onto itself", cuMemcpyDtoDAsync_v2(memory, memory + 4, 16, nullptr));
  Print("free within", cuMemFree_v2(memory + 8));
  Print("free", cuMemFree_v2(memory));
  Print("free again", cuMemFree_v2(memory));
  std::printf("not written: %d\n", std::isnan(Read<float>(Allocate(4), 1)[0]));
}

}  // namespace

int main(int count, char** arguments) {
  const std::string trial = count > 1 ? arguments[1] : "";
  Begin();
  if (trial == "sum" || trial == "race") {
    for (const unsigned blocks : {1u, 7u}) {
      for (const unsigned threads : {32u, 96u, 512u})
        std::printf("%.17g\n", Sum(blocks, threads, trial == "sum"));
    }
  } else if (trial == "lanes") {
    Lanes();
  } else if (trial == "events") {
    Events();
  } else if (trial == "pointers") {
    Pointers();
  } else if (trial == "host") {
    std::printf("%d\n", *As<int>(Allocate(64)));
  } else {
    const char* const names[] = {"nothing", "ends",   "collective", "misaligned", "wide",
                                 "past",    "before", "far",        "freed",      "shared"};
    for (int wrong = 0; wrong < 10; ++wrong) {
      if (trial == names[wrong] || (trial == "foreign" && wrong == 8))
        DoWrong(static_cast<Wrong>(wrong), trial);
    }
  }
  return 0;
}
