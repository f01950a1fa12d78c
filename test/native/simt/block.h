// A block of emulated threads: who runs, who waits, and where threads meet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "simt/fiber.h"

namespace soul::simt {

// Where threads wait for each other: all of a block at a barrier, the lanes of a warp at a collective.
enum class Meeting : int32_t { kNone, kBarrier, kShuffleDown, kShuffleXor, kBallot };

struct Thread {
  Fiber fiber;
  int32_t index = 0;
  bool done = false;
  Meeting meeting = Meeting::kNone;
  int line = 0;
  int32_t operand = 0;
  uint64_t value = 0;   // what the thread brings
  uint64_t result = 0;  // what it is given
};

struct Shape {
  int32_t threads = 0;
  int64_t block = 0;
  int64_t blocks = 0;
};

extern Thread* current;
extern Shape shape;

// Waits until everyone is there; returns what this thread is given.
uint64_t Meet(Meeting meeting, int line, uint64_t value, int32_t operand);

template <typename T>
T Exchange(Meeting meeting, int line, T value, int32_t operand) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(value));
  bits = Meet(meeting, line, bits, operand);
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// Accesses that must be aligned to their own size.
void Read(void* target, const void* address, std::size_t bytes);
void Write(void* address, const void* source, std::size_t bytes);

// The value before.
template <typename T>
T AddAtomically(T* sum, T value);

// What may go wrong, as the driver names it (CUresult).
constexpr int kIllegalAddress = 700;
constexpr int kIllegalInstruction = 715;
constexpr int kMisalignedAddress = 716;
constexpr int kLaunchFailed = 719;

// Ends the kernel from one of its threads.
[[noreturn]] void Fail(int result, const char* format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace soul::simt
