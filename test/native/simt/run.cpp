#include "simt/run.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <numeric>
#include <vector>

#include "simt/accesses.h"
#include "simt/block.h"
#include "simt/faults.h"
#include "simt/shared.h"

namespace soul::simt {

Thread* current = nullptr;
Shape shape;

namespace {

constexpr int32_t kWarp = 32;
constexpr int32_t kMostThreads = 512;
constexpr std::size_t kStackBytes = 64 * 1024;
constexpr std::size_t kMostSharedBytes = 48 * 1024;

// Who is at a meeting so far.
struct Gathering {
  int32_t arrived = 0;
  Meeting meeting = Meeting::kNone;
  int line = 0;
};

// The kernel that runs; there is one at a time.
struct Execution {
  const Kernel* kernel = nullptr;
  const void* parameters = nullptr;
  Outcome outcome;
  sigjmp_buf scheduler;

  std::array<Thread, kMostThreads> threads;
  unsigned char* stacks = nullptr;
  Gathering block_gathering;
  std::array<Gathering, kMostThreads / kWarp> warp_gatherings;

  // Threads that may go on. First in, first out keeps a block in step; last in, first out lets one warp run
  // far ahead of the others.
  std::vector<int32_t> ready;
  std::size_t first_ready = 0;
  bool last_in_first_out = false;
  std::vector<int32_t> order;

  uint64_t blocks_begun = 0;
  std::vector<SharedArray*> shared;
  std::size_t shared_bytes = 0;
};

Execution execution;
std::mutex& one_at_a_time = *new std::mutex;

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

const char* NameOf(Meeting meeting) {
  switch (meeting) {
    case Meeting::kBarrier:
      return "Barrier";
    case Meeting::kShuffleDown:
      return "ShuffleDown";
    case Meeting::kShuffleXor:
      return "ShuffleXor";
    case Meeting::kBallot:
      return "Ballot";
    case Meeting::kNone:
      break;
  }
  return "nothing";
}

void Record(int result, const char* text) {
  char place[256];
  std::snprintf(place, sizeof(place),
                "kernel %s, block %lld of %lld, thread %d of %d: ", execution.kernel->name,
                static_cast<long long>(shape.block), static_cast<long long>(shape.blocks),
                current ? current->index : -1, shape.threads);
  execution.outcome = {result, std::string(place) + text};
}

// One stack for each thread of a block, each above a page that may not be touched.
unsigned char* MakeStacks() {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t stride = kStackBytes + page;
  auto* stacks = static_cast<unsigned char*>(
      mmap(nullptr, stride * kMostThreads, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (stacks == MAP_FAILED) return nullptr;
  for (int32_t i = 0; i < kMostThreads; ++i) mprotect(stacks + i * stride, page, PROT_NONE);
  return stacks;
}

unsigned char* StackOf(int32_t thread) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return execution.stacks + thread * (kStackBytes + page) + page;
}

void RunThread() {
  execution.kernel->run(execution.parameters);
  current->done = true;
  current->fiber.HandBack();
}

// All of the block, or the warp, may go on, in the block's order.
void Release(int32_t first, int32_t count) {
  for (const int32_t index : execution.order) {
    if (index >= first && index < first + count) execution.ready.push_back(index);
  }
}

void CompleteCollective(int32_t first) {
  uint64_t ballot = 0;
  for (int32_t lane = 0; lane < kWarp; ++lane) {
    if (execution.threads[first + lane].value != 0) ballot |= uint64_t{1} << lane;
  }
  for (int32_t lane = 0; lane < kWarp; ++lane) {
    Thread& thread = execution.threads[first + lane];
    int32_t from = lane;
    if (thread.meeting == Meeting::kShuffleDown) from = lane + thread.operand;
    if (thread.meeting == Meeting::kShuffleXor) from = lane ^ thread.operand;
    // A lane beyond the warp's end gives a lane its own value back.
    if (from < 0 || from >= kWarp) from = lane;
    thread.result = thread.meeting == Meeting::kBallot ? ballot : execution.threads[first + from].value;
  }
}

void CheckShared() {
  for (const SharedArray* array : execution.shared) {
    const auto* memory = static_cast<const unsigned char*>(array->memory);
    if (!HoldsOnly(kGuard, memory - kSharedGuardBytes, kSharedGuardBytes) ||
        !HoldsOnly(kGuard, memory + array->bytes, kSharedGuardBytes)) {
      current = nullptr;
      Record(kIllegalAddress, (std::string("wrote beyond the shared array ") + array->name).c_str());
      siglongjmp(execution.scheduler, 1);
    }
  }
}

// Nobody can go on and not everybody is done.
[[noreturn]] void FailStuck() {
  const Thread* waiting = nullptr;
  const Thread* other = nullptr;
  for (int32_t i = 0; i < shape.threads; ++i) {
    const Thread& thread = execution.threads[i];
    if (!thread.done && waiting == nullptr) waiting = &thread;
  }
  const bool whole_block = waiting->meeting == Meeting::kBarrier;
  for (int32_t i = 0; i < shape.threads; ++i) {
    const Thread& thread = execution.threads[i];
    if (!whole_block && i / kWarp != waiting->index / kWarp) continue;
    if (thread.done || thread.meeting != waiting->meeting || thread.line != waiting->line) other = &thread;
  }
  current = &execution.threads[waiting->index];
  if (other == nullptr || other->done) {
    Fail(kLaunchFailed, "waits at %s of line %d, which thread %d ended without", NameOf(waiting->meeting),
         waiting->line, other ? other->index : -1);
  }
  Fail(kLaunchFailed, "waits at %s of line %d, thread %d at %s of line %d", NameOf(waiting->meeting),
       waiting->line, other->index, NameOf(other->meeting), other->line);
}

void RunBlock(int64_t block, uint64_t order) {
  shape.block = block;
  ++execution.blocks_begun;
  BeginBlockAccesses();
  execution.shared.clear();
  execution.shared_bytes = 0;
  execution.block_gathering = {};
  execution.warp_gatherings.fill({});

  const uint64_t draw = Mix(order ^ Mix(static_cast<uint64_t>(block)));
  execution.last_in_first_out = (draw & 1) != 0;
  execution.order.resize(static_cast<std::size_t>(shape.threads));
  std::iota(execution.order.begin(), execution.order.end(), 0);
  switch ((draw >> 1) % 3) {
    case 0:
      break;
    case 1:
      std::reverse(execution.order.begin(), execution.order.end());
      break;
    default:
      for (std::size_t i = execution.order.size() - 1; i > 0; --i) {
        std::swap(execution.order[i], execution.order[Mix(draw + i) % (i + 1)]);
      }
  }
  execution.ready = execution.order;
  execution.first_ready = 0;
  for (int32_t i = 0; i < shape.threads; ++i) {
    Thread& thread = execution.threads[i];
    thread.index = i;
    thread.done = false;
    thread.meeting = Meeting::kNone;
    thread.fiber.Begin(StackOf(i), kStackBytes, RunThread);
  }
  int32_t done = 0;
  while (done < shape.threads) {
    if (execution.first_ready == execution.ready.size()) FailStuck();
    int32_t next;
    if (execution.last_in_first_out) {
      next = execution.ready.back();
      execution.ready.pop_back();
    } else {
      next = execution.ready[execution.first_ready++];
    }
    if (execution.first_ready == execution.ready.size()) {
      execution.ready.clear();
      execution.first_ready = 0;
    }
    current = &execution.threads[next];
    SetStack(reinterpret_cast<uintptr_t>(StackOf(next)), kStackBytes);
    current->fiber.Enter();
    if (current->done) ++done;
  }
  current = nullptr;
  CheckShared();
}

// All blocks, each once, from anywhere and in any stride.
void RunGrid(uint64_t order) {
  const auto blocks = static_cast<uint64_t>(shape.blocks);
  uint64_t stride = 1;
  uint64_t block = 0;
  switch (order % 3) {
    case 0:
      break;
    case 1:
      stride = blocks - 1;
      block = blocks - 1;
      break;
    default:
      block = Mix(order) % blocks;
      stride = Mix(order + 1) % blocks;
      while (std::gcd(stride, blocks) != 1) stride = (stride + 1) % blocks;
  }
  for (uint64_t i = 0; i < blocks; ++i) {
    RunBlock(static_cast<int64_t>(block), order);
    block = (block + stride) % blocks;
  }
}

}  // namespace

void Fail(int result, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  Record(result, text);
  siglongjmp(execution.scheduler, 1);
}

uint64_t Meet(Meeting meeting, int line, uint64_t value, int32_t operand) {
  Thread* const thread = current;
  thread->meeting = meeting;
  thread->line = line;
  thread->value = value;
  thread->operand = operand;
  const bool whole_block = meeting == Meeting::kBarrier;
  const int32_t first = whole_block ? 0 : thread->index / kWarp * kWarp;
  const int32_t count = whole_block ? shape.threads : kWarp;
  Gathering& gathering =
      whole_block ? execution.block_gathering : execution.warp_gatherings[thread->index / kWarp];
  if (gathering.arrived == 0) {
    gathering = {0, meeting, line};
  } else if (gathering.meeting != meeting || gathering.line != line) {
    Fail(kLaunchFailed, "came to %s of line %d while others wait at %s of line %d", NameOf(meeting), line,
         NameOf(gathering.meeting), gathering.line);
  }
  if (++gathering.arrived == count) {
    gathering.arrived = 0;
    if (whole_block) {
      CountBarrier();
    } else {
      CompleteCollective(first);
    }
    Release(first, count);
  }
  thread->fiber.HandBack();
  thread->meeting = Meeting::kNone;
  return thread->result;
}

namespace {
void CheckAligned(const void* address, std::size_t bytes) {
  if (reinterpret_cast<uintptr_t>(address) % bytes == 0) return;
  Fail(kMisalignedAddress, "accesses %zu bytes at %p, which is not aligned to them", bytes, address);
}
}  // namespace

void Read(void* target, const void* address, std::size_t bytes) {
  CheckAligned(address, bytes);
  Check(Access::kRead, address, bytes);
  std::memcpy(target, address, bytes);
}

void Write(void* address, const void* source, std::size_t bytes) {
  CheckAligned(address, bytes);
  Check(Access::kWrite, address, bytes);
  std::memcpy(address, source, bytes);
}

template <typename T>
T AddAtomically(T* sum, T value) {
  CheckAligned(sum, sizeof(T));
  Check(Access::kAtomic, sum, sizeof(T));
  const T before = *sum;
  *sum = before + value;
  return before;
}
template uint32_t AddAtomically(uint32_t*, uint32_t);
template uint64_t AddAtomically(uint64_t*, uint64_t);

void TakeShared(SharedArray* array) {
  if (array->block == execution.blocks_begun) return;
  array->block = execution.blocks_begun;
  execution.shared.push_back(array);
  execution.shared_bytes += array->bytes;
  if (execution.shared_bytes > kMostSharedBytes) {
    Fail(kLaunchFailed, "takes %zu bytes of shared memory; a block has %zu", execution.shared_bytes,
         kMostSharedBytes);
  }
  AddSharedAccesses(array->memory, array->bytes);
  auto* memory = static_cast<unsigned char*>(array->memory);
  FillWith(kGuard, memory - kSharedGuardBytes, kSharedGuardBytes);
  FillWith(kPoison, memory, array->bytes);
  FillWith(kGuard, memory + array->bytes, kSharedGuardBytes);
}

void FillWith(uint16_t pattern, void* memory, std::size_t bytes) {
  auto* to = static_cast<unsigned char*>(memory);
  // The pattern keeps its place however memory begins.
  if (reinterpret_cast<uintptr_t>(to) % 2 != 0 && bytes > 0) {
    *to++ = static_cast<unsigned char>(pattern >> 8);
    --bytes;
  }
  auto* halves = reinterpret_cast<uint16_t*>(to);
  std::fill_n(halves, bytes / 2, pattern);
  if (bytes % 2 != 0) to[bytes - 1] = static_cast<unsigned char>(pattern);
}

bool HoldsOnly(uint16_t pattern, const void* memory, std::size_t bytes) {
  const auto* from = static_cast<const unsigned char*>(memory);
  const unsigned char halves[2] = {static_cast<unsigned char>(pattern),
                                   static_cast<unsigned char>(pattern >> 8)};
  for (std::size_t i = 0; i < bytes; ++i) {
    if (from[i] != halves[(reinterpret_cast<uintptr_t>(from) + i) % 2]) return false;
  }
  return true;
}

Outcome Run(const Kernel& kernel, int64_t blocks, int32_t threads, const void* parameters, uint64_t order,
            std::vector<Range> memory) {
  const std::lock_guard lock(one_at_a_time);
  if (blocks < 1 || threads < kWarp || threads > kMostThreads || threads % kWarp != 0) {
    return {1, std::string("kernel ") + kernel.name + " was given " + std::to_string(blocks) + " blocks of " +
                   std::to_string(threads) + " threads"};
  }
  if (execution.stacks == nullptr) execution.stacks = MakeStacks();
  if (execution.stacks == nullptr) return {2, "no memory for the stacks of a block"};
  execution.kernel = &kernel;
  execution.parameters = parameters;
  BeginAccesses(std::move(memory), parameters, kernel.parameter_bytes);
  execution.outcome = {};
  current = nullptr;
  shape = {threads, 0, blocks};
  const FaultsCaught faults([](int result, const char* text) { Fail(result, "%s", text); });
  if (sigsetjmp(execution.scheduler, 1) == 0) RunGrid(Mix(order));
  current = nullptr;
  return std::move(execution.outcome);
}

}  // namespace soul::simt
