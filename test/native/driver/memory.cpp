#include "driver/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "simt/shared.h"

namespace soul::emulated {
namespace {

using simt::FillWith;
using simt::HoldsOnly;
using simt::kGuard;
using simt::kPoison;

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kMapped = std::size_t{1} << 40;
constexpr std::size_t kApart = std::size_t{1} << 20;  // between two allocations

std::size_t PageBytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}
uintptr_t Down(uintptr_t value, std::size_t unit) {
  return value / unit * unit;
}
uintptr_t Up(uintptr_t value, std::size_t unit) {
  return Down(value + unit - 1, unit);
}

}  // namespace

bool DeviceMemory::Map() {
  if (mapped_ != 0) return true;
  file_ = memfd_create("emulated device", MFD_CLOEXEC);
  if (file_ < 0) return false;
  for (mapped_bytes_ = kMapped; mapped_bytes_ >= 4 * limit_; mapped_bytes_ /= 2) {
    if (ftruncate(file_, static_cast<off_t>(mapped_bytes_)) != 0) continue;
    void* given = mmap(nullptr, mapped_bytes_, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file_, 0);
    if (given == MAP_FAILED) continue;
    void* own = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file_, 0);
    if (own == MAP_FAILED) {
      munmap(given, mapped_bytes_);
      continue;
    }
    mapped_ = reinterpret_cast<uintptr_t>(given);
    own_ = static_cast<unsigned char*>(own);
    next_ = mapped_ + kApart;
    return true;
  }
  return false;
}

std::size_t DeviceMemory::used() {
  const std::lock_guard lock(mutex_);
  return used_;
}

uintptr_t DeviceMemory::Allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > limit_ - used_ || !Map()) return 0;
  const std::size_t room = Up(bytes, kAlignment);
  const uintptr_t first_page = Up(next_, PageBytes());
  // The end of the room is the end of a page: what comes after it is refused.
  const uintptr_t end = Up(first_page + room, PageBytes());
  if (end + kApart > mapped_ + mapped_bytes_) return 0;
  const uintptr_t begin = end - room;
  next_ = end + kApart;
  FillWith(kGuard, Own(first_page), begin - first_page);
  FillWith(kPoison, Own(begin), bytes);
  FillWith(kGuard, Own(begin + bytes), room - bytes);
  allocations_[begin] = bytes;
  used_ += bytes;
  return begin;
}

bool DeviceMemory::Free(uintptr_t begin, std::string* problem) {
  const std::lock_guard lock(mutex_);
  const auto found = allocations_.find(begin);
  if (found == allocations_.end()) return false;
  const Allocation allocation{begin, found->second};
  *problem = CheckAround(allocation);
  Protect(allocation, false);
  const uintptr_t first_page = Down(begin, PageBytes());
  fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(first_page - mapped_),
            static_cast<off_t>(Up(begin + allocation.bytes, PageBytes()) - first_page));
  used_ -= allocation.bytes;
  allocations_.erase(found);
  return true;
}

Allocation DeviceMemory::Find(uintptr_t address, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  auto found = allocations_.upper_bound(address);
  if (found == allocations_.begin()) return {};
  --found;
  const std::size_t offset = address - found->first;
  if (offset >= found->second || bytes > found->second - offset) return {};
  return {found->first, found->second};
}

unsigned char* DeviceMemory::Own(uintptr_t address) const {
  return own_ + (address - mapped_);
}

std::vector<simt::Range> DeviceMemory::Open() {
  const std::lock_guard lock(mutex_);
  std::vector<simt::Range> memory;
  for (const auto& [begin, bytes] : allocations_) {
    Protect({begin, bytes}, true);
    memory.push_back({begin, bytes});
  }
  return memory;
}

std::string DeviceMemory::Close() {
  const std::lock_guard lock(mutex_);
  std::string problem;
  for (const auto& [begin, bytes] : allocations_) {
    Protect({begin, bytes}, false);
    if (problem.empty()) problem = CheckAround({begin, bytes});
  }
  return problem;
}

void DeviceMemory::Protect(const Allocation& allocation, bool open) const {
  const uintptr_t begin = Down(allocation.begin, PageBytes());
  mprotect(reinterpret_cast<void*>(begin), Up(allocation.begin + allocation.bytes, PageBytes()) - begin,
           open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

std::string DeviceMemory::CheckAround(const Allocation& allocation) const {
  const uintptr_t first_page = Down(allocation.begin, PageBytes());
  const uintptr_t end = allocation.begin + allocation.bytes;
  const bool before = HoldsOnly(kGuard, Own(first_page), allocation.begin - first_page);
  if (before && HoldsOnly(kGuard, Own(end), Up(end, kAlignment) - end)) return {};
  char text[160];
  std::snprintf(text, sizeof(text), "wrote %s the %zu bytes at %p", before ? "past" : "before",
                allocation.bytes, reinterpret_cast<void*>(allocation.begin));
  return text;
}

void* PinnedMemory::Allocate(std::size_t bytes, int device) {
  void* memory =
      mmap(nullptr, Up(bytes, PageBytes()), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  FillWith(kPoison, memory, bytes);
  const std::lock_guard lock(mutex_);
  allocations_[reinterpret_cast<uintptr_t>(memory)] = {bytes, device};
  return memory;
}

bool PinnedMemory::Free(void* memory) {
  const std::lock_guard lock(mutex_);
  const auto found = allocations_.find(reinterpret_cast<uintptr_t>(memory));
  if (found == allocations_.end()) return false;
  munmap(memory, Up(found->second.bytes, PageBytes()));
  allocations_.erase(found);
  return true;
}

Allocation PinnedMemory::Find(uintptr_t address, int* device) {
  const std::lock_guard lock(mutex_);
  auto found = allocations_.upper_bound(address);
  if (found == allocations_.begin()) return {};
  --found;
  if (address - found->first >= found->second.bytes) return {};
  *device = found->second.device;
  return {found->first, found->second.bytes};
}

void PinnedMemory::AddTo(std::vector<simt::Range>* memory) {
  const std::lock_guard lock(mutex_);
  for (const auto& [begin, entry] : allocations_) memory->push_back({begin, entry.bytes});
}

bool PinnedMemory::Holds(const void* address, std::size_t bytes) {
  int device = 0;
  const auto at = reinterpret_cast<uintptr_t>(address);
  const Allocation found = Find(at, &device);
  return found.bytes != 0 && bytes <= found.begin + found.bytes - at;
}

PinnedMemory& Pinned() {
  static auto& pinned = *new PinnedMemory;
  return pinned;
}

}  // namespace soul::emulated
