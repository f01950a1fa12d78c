#include "simt/accesses.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "simt/block.h"

extern "C" {
// Of this library, as the linker gives them: constants, shared arrays and the emulator's own.
extern const char __ehdr_start __attribute__((visibility("hidden")));
extern const char _end __attribute__((visibility("hidden")));
}

namespace soul::simt {
namespace {

// Who touched four bytes last, in one way.
struct Touch {
  uint32_t block = 0;  // counted from 1 in the order in which blocks run; 0: nobody
  uint32_t barriers = 0;
  uint32_t counts = 0;  // of all blocks until then
  uint16_t thread = 0;
  uint8_t bytes = 0;  // which of the four
  bool atomic = false;
};
struct Cell {
  Touch write;
  Touch read;
};
constexpr std::size_t kCellBytes = 4;
constexpr std::size_t kPageBytes = 4096;
struct Page {
  uint64_t kernel = 0;
  Cell cells[kPageBytes / kCellBytes];
};

// Where a block was when it last counted itself in.
struct Count {
  uint32_t order = 0;  // 0: not yet
  uint32_t barriers = 0;
  uint16_t thread = 0;
};

struct Tracker {
  std::vector<Range> memory;
  std::vector<Range> shared;
  Range last;
  Range stack;
  Range parameters;
  uint64_t kernel = 0;
  uint32_t block = 0;
  uint32_t barriers = 0;
  uint32_t counts = 0;
  std::vector<Count> counted;  // by block
  std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
  struct Recent {
    uintptr_t number = 0;
    Page* page = nullptr;
  } recent[64];
};
Tracker& tracker = *new Tracker;

bool Holds(const Range& range, uintptr_t at, std::size_t bytes) {
  return at >= range.begin && at - range.begin < range.bytes && bytes <= range.bytes - (at - range.begin);
}

bool IsMemory(uintptr_t at, std::size_t bytes) {
  if (Holds(tracker.last, at, bytes)) return true;
  auto found = std::upper_bound(tracker.memory.begin(), tracker.memory.end(), at,
                                [](uintptr_t address, const Range& range) { return address < range.begin; });
  if (found == tracker.memory.begin() || !Holds(*--found, at, bytes)) return false;
  tracker.last = *found;
  return true;
}

bool IsShared(uintptr_t at, std::size_t bytes) {
  return std::any_of(tracker.shared.begin(), tracker.shared.end(),
                     [&](const Range& range) { return Holds(range, at, bytes); });
}

Page& PageOf(uintptr_t address) {
  const uintptr_t number = address / kPageBytes;
  Tracker::Recent& recent = tracker.recent[number % 64];
  if (recent.number != number) {
    std::unique_ptr<Page>& page = tracker.pages[number];
    if (!page) page = std::make_unique<Page>();
    recent = {number, page.get()};
  }
  Page& page = *recent.page;
  if (page.kernel != tracker.kernel) {
    page = Page{};
    page.kernel = tracker.kernel;
  }
  return page;
}

// Whether everything the earlier access did is seen by the current thread.
bool IsOrdered(const Touch& earlier) {
  const auto thread = static_cast<uint16_t>(current->index);
  if (earlier.block == tracker.block) return earlier.thread == thread || earlier.barriers < tracker.barriers;
  // Its block has counted itself in afterwards, and this one later than that.
  const Count& theirs = tracker.counted[earlier.block];
  const Count& ours = tracker.counted[tracker.block];
  if (theirs.order <= earlier.counts || ours.order <= theirs.order) return false;
  const bool before = theirs.thread == earlier.thread || earlier.barriers < theirs.barriers;
  return before && (ours.thread == thread || ours.barriers < tracker.barriers);
}

void CheckTogether(const Touch& earlier, uint8_t bytes, Access access, bool shared, const char* did,
                   uintptr_t address) {
  if (earlier.block == 0 || (earlier.bytes & bytes) == 0) return;
  // Shared memory is another for each block.
  if (shared && earlier.block != tracker.block) return;
  if (earlier.atomic && access == Access::kAtomic) return;
  if (IsOrdered(earlier)) return;
  Fail(kLaunchFailed, "%s %p, which thread %d of %s %s with nothing to order the two",
       access == Access::kRead ? "reads" : "writes", reinterpret_cast<void*>(address), earlier.thread,
       earlier.block == tracker.block ? "its block" : "another block", did);
}

void Track(Access access, bool shared, uintptr_t at, std::size_t bytes) {
  const Touch now = {tracker.block,
                     tracker.barriers,
                     tracker.counts,
                     static_cast<uint16_t>(current->index),
                     0,
                     access == Access::kAtomic};
  while (bytes > 0) {
    const std::size_t offset = at % kCellBytes;
    const std::size_t part = std::min(bytes, kCellBytes - offset);
    const auto mask = static_cast<uint8_t>(((1u << part) - 1) << offset);
    Cell& cell = PageOf(at).cells[at % kPageBytes / kCellBytes];
    CheckTogether(cell.write, mask, access, shared, "wrote", at);
    if (access != Access::kRead) CheckTogether(cell.read, mask, access, shared, "read", at);
    Touch& touch = access == Access::kRead ? cell.read : cell.write;
    const bool same =
        touch.block == now.block && touch.thread == now.thread && touch.barriers == now.barriers;
    const uint8_t before = same ? touch.bytes : 0;
    touch = now;
    touch.bytes = before | mask;
    at += part;
    bytes -= part;
  }
}

}  // namespace

void BeginAccesses(std::vector<Range> memory, const void* parameters, std::size_t parameter_bytes) {
  constexpr std::size_t kMostPages = 1 << 14;
  if (tracker.pages.size() > kMostPages) {
    tracker.pages.clear();
    for (Tracker::Recent& recent : tracker.recent) recent = {};
  }
  ++tracker.kernel;
  tracker.memory = std::move(memory);
  tracker.last = {};
  tracker.parameters = {reinterpret_cast<uintptr_t>(parameters), parameter_bytes};
  tracker.block = 0;
  tracker.counts = 0;
  tracker.counted.assign(1, {});
}

void BeginBlockAccesses() {
  ++tracker.block;
  tracker.barriers = 0;
  tracker.shared.clear();
  tracker.counted.push_back({});
}

void AddSharedAccesses(const void* memory, std::size_t bytes) {
  tracker.shared.push_back({reinterpret_cast<uintptr_t>(memory), bytes});
}

void CountBarrier() {
  ++tracker.barriers;
}

void CountBlock() {
  tracker.counted[tracker.block] = {++tracker.counts, tracker.barriers,
                                    static_cast<uint16_t>(current->index)};
}

void SetStack(uintptr_t begin, std::size_t bytes) {
  tracker.stack = {begin, bytes};
}

void Check(Access access, const void* address, std::size_t bytes) {
  if (current == nullptr) return;
  const auto at = reinterpret_cast<uintptr_t>(address);
  if (Holds(tracker.stack, at, bytes)) return;
  if (IsMemory(at, bytes)) return Track(access, false, at, bytes);
  if (IsShared(at, bytes)) return Track(access, true, at, bytes);
  if (Holds(tracker.parameters, at, bytes) && access == Access::kRead) return;
  if (at >= reinterpret_cast<uintptr_t>(&__ehdr_start) && at < reinterpret_cast<uintptr_t>(&_end)) return;
  Fail(kIllegalAddress, "%s %zu bytes at %p, which do not lie in one allocation of its device",
       access == Access::kRead ? "reads" : "writes", bytes, address);
}

}  // namespace soul::simt

// What a compiler calls before each access where it was told -fsanitize=thread.
#define SOUL_HOOK(name) extern "C" __attribute__((visibility("hidden"))) void name
SOUL_HOOK(__tsan_init)() {}
#define SOUL_HOOKS(bytes)                                          \
  SOUL_HOOK(__tsan_read##bytes)(void* address) {                   \
    soul::simt::Check(soul::simt::Access::kRead, address, bytes);  \
  }                                                                \
  SOUL_HOOK(__tsan_write##bytes)(void* address) {                  \
    soul::simt::Check(soul::simt::Access::kWrite, address, bytes); \
  }                                                                \
  SOUL_HOOK(__tsan_unaligned_read##bytes)(void* address) {         \
    soul::simt::Check(soul::simt::Access::kRead, address, bytes);  \
  }                                                                \
  SOUL_HOOK(__tsan_unaligned_write##bytes)(void* address) {        \
    soul::simt::Check(soul::simt::Access::kWrite, address, bytes); \
  }
SOUL_HOOKS(1)
SOUL_HOOKS(2)
SOUL_HOOKS(4)
SOUL_HOOKS(8)
SOUL_HOOKS(16)
SOUL_HOOK(__tsan_read_range)(void* address, std::size_t bytes) {
  soul::simt::Check(soul::simt::Access::kRead, address, bytes);
}
SOUL_HOOK(__tsan_write_range)(void* address, std::size_t bytes) {
  soul::simt::Check(soul::simt::Access::kWrite, address, bytes);
}
SOUL_HOOK(__tsan_func_entry)(void*) {}
SOUL_HOOK(__tsan_func_exit)() {}
