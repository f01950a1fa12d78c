#include "runtime/cuda/pinned_pool.h"

#include <bit>

#include "runtime/cuda/driver.h"

namespace soul::cuda {

PinnedPool::~PinnedPool() {
  for (const auto& [bytes, pieces] : free_) {
    for (void* piece : pieces) TheDriver().cuMemFreeHost(piece);
  }
}

std::size_t PinnedPool::Rounded(std::size_t bytes) {
  constexpr std::size_t kSmallest = 512;
  return bytes <= kSmallest ? kSmallest : std::bit_ceil(bytes);
}

void* PinnedPool::Take(std::size_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    std::vector<void*>& pieces = free_[Rounded(bytes)];
    if (!pieces.empty()) {
      void* piece = pieces.back();
      pieces.pop_back();
      return piece;
    }
    // Room for it when it comes back, where nothing may fail.
    pieces.reserve(pieces.capacity() + 1);
  }
  void* piece = nullptr;
  // Seen by every device's context (CU_MEMHOSTALLOC_PORTABLE).
  Check(TheDriver().cuMemHostAlloc(&piece, Rounded(bytes), 1), "cuMemHostAlloc");
  return piece;
}

void PinnedPool::Return(void* piece, std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  std::vector<void*>& pieces = free_[Rounded(bytes)];
  if (pieces.size() < pieces.capacity()) {
    pieces.push_back(piece);
  } else {
    TheDriver().cuMemFreeHost(piece);
  }
}

}  // namespace soul::cuda
