// Pinned host memory in pieces that are used again: to allocate one takes far longer than a step.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <vector>

namespace soul::cuda {

// Any thread may give a piece back.
class PinnedPool {
 public:
  PinnedPool() = default;
  ~PinnedPool();
  PinnedPool(const PinnedPool&) = delete;
  PinnedPool& operator=(const PinnedPool&) = delete;

  // At least `bytes`; a device's context must be current. Throws DriverError.
  void* Take(std::size_t bytes);
  void Return(void* piece, std::size_t bytes) noexcept;

 private:
  static std::size_t Rounded(std::size_t bytes);

  std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
};

}  // namespace soul::cuda
