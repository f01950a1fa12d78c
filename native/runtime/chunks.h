// How a buffer is cut up for threads: on a grid that depends on nothing but element indices, so that sums
// meet in the same order however many threads there are.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/thread_pool.h"

namespace soul {

// Elements of a cell of the grid: 64 KiB of float32.
constexpr int64_t kChunk = 16384;

// Calls work(begin, end, worker) for the part of each cell that lies within [begin, end).
template <typename Work>
void ForChunks(ThreadPool& pool, int64_t begin, int64_t end, const Work& work) {
  if (begin >= end) return;
  const int64_t first = begin / kChunk;
  pool.ForEach((end - 1) / kChunk - first + 1, [&](int64_t piece, int worker) {
    const int64_t cell = (first + piece) * kChunk;
    work(cell < begin ? begin : cell, cell + kChunk < end ? cell + kChunk : end, worker);
  });
}

// The sum of work(begin, end) over cells, added up in their order.
template <typename Sum, typename Work>
Sum SumOfChunks(ThreadPool& pool, int64_t begin, int64_t end, const Work& work) {
  Sum sum{};
  if (begin >= end) return sum;
  const int64_t first = begin / kChunk;
  std::vector<Sum> sums(static_cast<std::size_t>((end - 1) / kChunk - first + 1));
  ForChunks(pool, begin, end, [&](int64_t from, int64_t to, int) {
    sums[static_cast<std::size_t>(from / kChunk - first)] = work(from, to);
  });
  for (const Sum& part : sums) sum += part;
  return sum;
}

}  // namespace soul
