// Every access of a kernel to memory, as the compiler reports it: whether the memory is the kernel's, and
// whether another thread may touch it at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace soul::simt {

// Memory that kernels may touch; in the order of addresses.
struct Range {
  uintptr_t begin = 0;
  std::size_t bytes = 0;
};

enum class Access : uint8_t { kRead, kWrite, kAtomic };

// Between two kernels.
void BeginAccesses(std::vector<Range> memory, const void* parameters, std::size_t parameter_bytes);
// Before the first thread of a block.
void BeginBlockAccesses();
// Shared memory that the block has come to.
void AddSharedAccesses(const void* memory, std::size_t bytes);
// All threads of the block have met.
void CountBarrier();
// The current thread has counted its block in: who counts later sees what it wrote before.
void CountBlock();

// Ends the kernel where the access is not allowed.
void Check(Access access, const void* address, std::size_t bytes);

// Stack of the current thread, which is nobody else's.
void SetStack(uintptr_t begin, std::size_t bytes);

}  // namespace soul::simt
