// How a buffer is cut up for threads: on a grid that depends on nothing but element indices, so that sums
// meet in the same order however many threads there are.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/thread_pool.h"

namespace soul {

// Elements of a cell of the grid: 64 KiB of float32.
constexpr int64_t kChunk = 16384;

// Cells in a row that a thread takes at once: many, so that it reads on where it left off, but few enough
// that no thread waits long for another at the end.
inline int64_t CellsInARow(int64_t cells, int threads) {
  constexpr int64_t kMost = 16;
  const int64_t shared = cells / (int64_t{8} * threads);
  return shared < 1 ? 1 : shared > kMost ? kMost : shared;
}

// Cells that [begin, end) has a part in.
inline int64_t CellsIn(int64_t begin, int64_t end) {
  return begin >= end ? 0 : (end - 1) / kChunk - begin / kChunk + 1;
}

// Calls work(begin, end, worker) for the part of each cell that lies within [begin, end).
template <typename Work>
void ForChunks(ThreadPool& pool, int64_t begin, int64_t end, const Work& work) {
  if (begin >= end) return;
  const int64_t first = begin / kChunk;
  const int64_t cells = CellsIn(begin, end);
  const int64_t row = CellsInARow(cells, pool.threads());
  pool.ForEach((cells + row - 1) / row, [&](int64_t piece, int worker) {
    for (int64_t i = piece * row; i < cells && i < (piece + 1) * row; ++i) {
      const int64_t cell = (first + i) * kChunk;
      work(cell < begin ? begin : cell, cell + kChunk < end ? cell + kChunk : end, worker);
    }
  });
}

// The sum of work(begin, end) over cells, added up in their order.
template <typename Sum, typename Work>
Sum SumOfChunks(ThreadPool& pool, int64_t begin, int64_t end, const Work& work) {
  Sum sum{};
  if (begin >= end) return sum;
  const int64_t first = begin / kChunk;
  std::vector<Sum> sums(static_cast<std::size_t>(CellsIn(begin, end)));
  ForChunks(pool, begin, end, [&](int64_t from, int64_t to, int) {
    sums[static_cast<std::size_t>(from / kChunk - first)] = work(from, to);
  });
  for (const Sum& part : sums) sum += part;
  return sum;
}

}  // namespace soul
