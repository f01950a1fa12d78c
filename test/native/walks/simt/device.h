// A device of one thread at a time, whose place in the grid the test says: for what kernels do with indices.
// The emulator (test/native/simt) runs whole blocks.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cuda/block.h"

#define SOUL_DEVICE inline

namespace soul {

struct Place {
  int32_t thread = 0;
  int32_t threads = kWarp;
  int64_t block = 0;
  int64_t blocks = 1;
};
inline Place place;

inline int32_t ThreadIndex() {
  return place.thread;
}
inline int32_t ThreadCount() {
  return place.threads;
}
inline int64_t BlockIndex() {
  return place.block;
}
inline int64_t BlockCount() {
  return place.blocks;
}

inline Words4 LoadWords4(const void* address) {
  Words4 words;
  std::memcpy(&words, address, sizeof(words));
  return words;
}
inline Words2 LoadWords2(const void* address) {
  Words2 words;
  std::memcpy(&words, address, sizeof(words));
  return words;
}
inline void Store(void* address, const Words4& words) {
  std::memcpy(address, &words, sizeof(words));
}
inline void Store(void* address, const Words2& words) {
  std::memcpy(address, &words, sizeof(words));
}

}  // namespace soul
