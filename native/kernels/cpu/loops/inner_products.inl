// Inner products of vectors, all of them in one read of memory. Element i of a block adds to lane i mod 16,
// in double, and a block's lanes meet before the next block.

namespace soul::SOUL_PATH {
namespace {

// Lanes that one walk over a block adds to: those of one vector, so that ten products stay in registers.
constexpr int kLaneGroup = SOUL_PATH_DOUBLES;

constexpr int PairsOf(int count) {
  return count * (count + 1) / 2;
}

SOUL_HOST_DEVICE double SumOfLanes(const double* lanes) {
  double sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

double ProductOfBlock(const float* a, const float* b, int32_t length) {
  const auto product = [=](int32_t i) __attribute__((always_inline)) {
    return static_cast<double>(a[i]) * static_cast<double>(b[i]);
  };
  double lanes[kLanes] = {};
  int32_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += product(i + lane);
  }
  for (int lane = 0; i + lane < length; ++lane) lanes[lane] += product(i + lane);
  return SumOfLanes(lanes);
}

double InnerProduct(const Elements& a, const Elements& b, int64_t begin, int64_t end) {
  alignas(64) float copies[2][kBlock];
  double sum = 0;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    const float* first = AsFloats(a, from, length, copies[0]);
    const float* second =
        a.data == b.data && a.dtype == b.dtype ? first : AsFloats(b, from, length, copies[1]);
    sum += ProductOfBlock(first, second, length);
  });
  return sum;
}

// The products of a block, each element widened once for all pairs it is in.
template <int kCount>
void PairsOfBlock(const float* const* vectors, int32_t length, double* sums) {
  alignas(64) double lanes[PairsOf(kCount)][kLanes];
  const int32_t rows = length / kLanes;
  for (int group = 0; group < kLanes; group += kLaneGroup) {
    double part[PairsOf(kCount)][kLaneGroup] = {};
    for (int32_t row = 0; row < rows; ++row) {
      double x[kCount][kLaneGroup];
      for (int v = 0; v < kCount; ++v) {
        const float* elements = vectors[v] + row * kLanes + group;
        for (int lane = 0; lane < kLaneGroup; ++lane) x[v][lane] = static_cast<double>(elements[lane]);
      }
      int pair = 0;
      for (int first = 0; first < kCount; ++first) {
        for (int second = first; second < kCount; ++second, ++pair) {
          for (int lane = 0; lane < kLaneGroup; ++lane) part[pair][lane] += x[first][lane] * x[second][lane];
        }
      }
    }
    for (int pair = 0; pair < PairsOf(kCount); ++pair) {
      for (int lane = 0; lane < kLaneGroup; ++lane) lanes[pair][group + lane] = part[pair][lane];
    }
  }
  int pair = 0;
  for (int first = 0; first < kCount; ++first) {
    for (int second = first; second < kCount; ++second, ++pair) {
      for (int32_t i = rows * kLanes; i < length; ++i) {
        lanes[pair][i % kLanes] +=
            static_cast<double>(vectors[first][i]) * static_cast<double>(vectors[second][i]);
      }
      sums[pair] += SumOfLanes(lanes[pair]);
    }
  }
}

InnerProducts ProductsOfPairs(const Elements* vectors, int32_t count, int64_t begin, int64_t end) {
  constexpr void (*kPairsOfBlock[])(const float* const*, int32_t, double*) = {
      PairsOfBlock<1>, PairsOfBlock<2>, PairsOfBlock<3>, PairsOfBlock<4>};
  alignas(64) float copies[kMostVectors][kBlock];
  InnerProducts products;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    const float* blocks[kMostVectors];
    for (int32_t v = 0; v < count; ++v) blocks[v] = AsFloats(vectors[v], from, length, copies[v]);
    kPairsOfBlock[count - 1](blocks, length, products.sums);
  });
  return products;
}

}  // namespace
}  // namespace soul::SOUL_PATH
