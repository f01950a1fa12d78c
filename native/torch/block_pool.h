// Where the tensors of the CPU lie. libtorch gives blocks back to the C library, which cuts them into smaller
// ones and keeps the rest: a pass that allocates and frees hundreds of blocks then holds a quarter more than
// ever was in use. Here a block that is free is used again whole, and blocks lie idle only as far as memory
// was in use before.
#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_map>

namespace soul {

class BlockPool final : public c10::Allocator {
 public:
  // Of the process; large blocks come from it after Install, small ones from where they came before.
  static BlockPool& Instance();

  // Makes it libtorch's allocator for the CPU; harmless when done twice.
  void Install();

  // Gives idle blocks back to the system.
  void Trim();

  c10::DataPtr allocate(size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override;
  void copy_data(void* destination, const void* source, size_t bytes) const override;

 private:
  BlockPool() = default;
  static void GiveBack(void* block);
  void* Take(size_t bytes);
  // False for a block of another allocator.
  bool Return(void* block);
  void Unmap(std::multimap<size_t, void*>::iterator idle);

  c10::Allocator* small_ = nullptr;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> taken_;  // blocks and their bytes
  std::multimap<size_t, void*> idle_;        // by their bytes
  size_t in_use_ = 0, most_in_use_ = 0, idle_bytes_ = 0;
};

}  // namespace soul
