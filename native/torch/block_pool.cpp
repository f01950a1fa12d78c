#include "block_pool.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define SOUL_MAPS_MEMORY 1
#endif

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>

namespace soul {
namespace {

constexpr size_t kSmallest = 256 * 1024;

size_t PageBytes() {
#ifdef SOUL_MAPS_MEMORY
  // 4 KiB on most machines; a tail that begins within a page could not be given back.
  static const auto bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
#else
  return 1;
#endif
}

}  // namespace

BlockPool& BlockPool::Instance() {
  // Never destroyed: tensors may outlive whatever order the process ends in.
  static BlockPool& pool = *new BlockPool();
  return pool;
}

void BlockPool::Install() {
#ifdef SOUL_MAPS_MEMORY
  const std::lock_guard lock(mutex_);
  if (small_) return;
  small_ = c10::GetCPUAllocator();
  c10::SetCPUAllocator(this, /*priority=*/100);
#endif
}

c10::DataPtr BlockPool::allocate(size_t bytes) {
  if (bytes < kSmallest) return small_->allocate(bytes);
  const size_t page = PageBytes();
  void* block = Take((bytes + page - 1) / page * page);
  // Libraries that allocate without a tensor want the block itself as the context.
  return {block, block, GiveBack, c10::Device(c10::DeviceType::CPU)};
}

c10::DeleterFnPtr BlockPool::raw_deleter() const {
  return GiveBack;
}

void BlockPool::GiveBack(void* block) {
  if (block && !Instance().Return(block)) Instance().small_->raw_deleter()(block);
}

void BlockPool::copy_data(void* destination, const void* source, size_t bytes) const {
  std::memcpy(destination, source, bytes);
}

#ifdef SOUL_MAPS_MEMORY

void* BlockPool::Take(size_t bytes) {
  const std::lock_guard lock(mutex_);
  void* block = nullptr;
  // A little larger will do: batches differ by some tokens.
  const auto fitting = idle_.lower_bound(bytes);
  if (fitting != idle_.end() && fitting->first <= bytes + bytes / 8) {
    block = fitting->second;
    const size_t spare = fitting->first - bytes;
    idle_bytes_ -= fitting->first;
    idle_.erase(fitting);
    if (spare > 0) munmap(static_cast<char*>(block) + bytes, spare);
  } else {
    const size_t most = std::max(most_in_use_, in_use_ + bytes);
    while (!idle_.empty() && in_use_ + bytes + idle_bytes_ > most) Unmap(std::prev(idle_.end()));
    block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TORCH_CHECK_WITH(OutOfMemoryError, block != MAP_FAILED, "the engine can't allocate memory: ", bytes,
                     " bytes were asked for");
  }
  taken_.emplace(block, bytes);
  in_use_ += bytes;
  most_in_use_ = std::max(most_in_use_, in_use_);
  return block;
}

bool BlockPool::Return(void* block) {
  const std::lock_guard lock(mutex_);
  const auto own = taken_.find(block);
  if (own == taken_.end()) return false;
  const size_t bytes = own->second;
  taken_.erase(own);
  in_use_ -= bytes;
  idle_bytes_ += bytes;
  idle_.emplace(bytes, block);
  return true;
}

void BlockPool::Unmap(std::multimap<size_t, void*>::iterator idle) {
  munmap(idle->second, idle->first);
  idle_bytes_ -= idle->first;
  idle_.erase(idle);
}

void BlockPool::Trim() {
  const std::lock_guard lock(mutex_);
  while (!idle_.empty()) Unmap(idle_.begin());
  most_in_use_ = in_use_;
}

#else

void* BlockPool::Take(size_t) {
  throw std::bad_alloc();
}
bool BlockPool::Return(void*) {
  return false;
}
void BlockPool::Unmap(std::multimap<size_t, void*>::iterator) {}
void BlockPool::Trim() {}

#endif

}  // namespace soul
