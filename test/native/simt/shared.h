// Shared memory of a block: filled with poison when the block comes to it, with guards around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace soul::simt {

// NaN as a double, a float32 and a bfloat16, and an absurd number as an integer.
constexpr uint16_t kPoison = 0x7ff5;
constexpr uint16_t kGuard = 0xa5c3;
constexpr std::size_t kSharedGuardBytes = 64;

void FillWith(uint16_t pattern, void* memory, std::size_t bytes);
bool HoldsOnly(uint16_t pattern, const void* memory, std::size_t bytes);

struct SharedArray {
  const char* name = nullptr;
  uint64_t block = 0;  // the last one that came to it
  void* memory = nullptr;
  std::size_t bytes = 0;
};

// Gives the array to the block that runs, once.
void TakeShared(SharedArray* array);

template <typename T, std::size_t kCount>
class Shared {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  using Array = T[kCount];
  Array& ForThisBlock(const char* name) {
    array_.name = name;
    array_.memory = memory_ + kSharedGuardBytes;
    array_.bytes = sizeof(Array);
    TakeShared(&array_);
    return *reinterpret_cast<Array*>(memory_ + kSharedGuardBytes);
  }

 private:
  SharedArray array_;
  alignas(64) unsigned char memory_[kSharedGuardBytes + sizeof(Array) + kSharedGuardBytes] = {};
};

}  // namespace soul::simt
