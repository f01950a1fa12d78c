// What hardware gives a kernel (native/kernels/cuda/device.h), given by an emulated block instead.
//
// The threads of a block are fibers of one thread of the machine, which run one after the other until they
// come to a barrier or a warp collective. Only one kernel runs at a time, so nothing here needs a lock.
#pragma once

#include <cstdint>

#include "simt/accesses.h"
#include "simt/block.h"
#include "simt/kernels.h"
#include "simt/shared.h"

#define SOUL_DEVICE inline
#define SOUL_SHARED(type, name, count)                                                \
  static ::soul::simt::Shared<type, static_cast<std::size_t>(count)> name##_of_block; \
  type(&name)[count] = name##_of_block.ForThisBlock(#name)
#define SOUL_KERNEL(name, Parameters)                                                     \
  static void name(const Parameters& parameters);                                         \
  static const ::soul::simt::Registration name##_registration(                            \
      #name, sizeof(Parameters),                                                          \
      [](const void* parameters) { name(*static_cast<const Parameters*>(parameters)); }); \
  static void name([[maybe_unused]] const Parameters& parameters)

namespace soul {

SOUL_DEVICE int32_t ThreadIndex() {
  return simt::current->index;
}
SOUL_DEVICE int32_t ThreadCount() {
  return simt::shape.threads;
}
SOUL_DEVICE int64_t BlockIndex() {
  return simt::shape.block;
}
SOUL_DEVICE int64_t BlockCount() {
  return simt::shape.blocks;
}

// The line tells one barrier or collective from another: threads that meet must have come to the same.
SOUL_DEVICE void Barrier(int line = __builtin_LINE()) {
  simt::Meet(simt::Meeting::kBarrier, line, 0, 0);
}

template <typename T>
SOUL_DEVICE T ShuffleDown(T value, int32_t distance, int line = __builtin_LINE()) {
  return simt::Exchange(simt::Meeting::kShuffleDown, line, value, distance);
}
template <typename T>
SOUL_DEVICE T ShuffleXor(T value, int32_t lanes, int line = __builtin_LINE()) {
  return simt::Exchange(simt::Meeting::kShuffleXor, line, value, lanes);
}
SOUL_DEVICE uint32_t Ballot(bool predicate, int line = __builtin_LINE()) {
  return static_cast<uint32_t>(simt::Meet(simt::Meeting::kBallot, line, predicate ? 1 : 0, 0));
}

SOUL_DEVICE void AtomicAdd(uint64_t* sum, uint64_t value) {
  simt::AddAtomically(sum, value);
}
SOUL_DEVICE void AtomicAdd(uint32_t* sum, uint32_t value) {
  simt::AddAtomically(sum, value);
}
SOUL_DEVICE uint32_t AtomicCount(uint32_t* count) {
  const uint32_t before = simt::AddAtomically(count, uint32_t{1});
  simt::CountBlock();
  return before;
}

SOUL_DEVICE Words4 LoadWords4(const void* address) {
  Words4 words;
  simt::Read(&words, address, sizeof(words));
  return words;
}
SOUL_DEVICE Words2 LoadWords2(const void* address) {
  Words2 words;
  simt::Read(&words, address, sizeof(words));
  return words;
}
SOUL_DEVICE void Store(void* address, const Words4& w) {
  simt::Write(address, &w, sizeof(w));
}
SOUL_DEVICE void Store(void* address, const Words2& w) {
  simt::Write(address, &w, sizeof(w));
}

}  // namespace soul
