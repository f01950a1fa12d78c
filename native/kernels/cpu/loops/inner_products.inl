// Inner products of vectors, all of them in one read of memory. Element i of a block adds to lane i mod 16,
// in double, as in the gradient's norm: a vector's product with itself is its squared norm to the bit.

namespace soul::SOUL_PATH {
namespace {

// A block's elements as floats: where they lie, or widened into `copy`.
SOUL_HOST_DEVICE const float* FloatsOfBlock(const Elements& elements, int64_t from, int32_t length,
                                            float* copy) {
  if (elements.dtype == DType::kFloat32) return At<float>(elements, from);
  LoadBlock(elements, from, length, copy);
  return copy;
}

double ProductOfBlock(const float* a, const float* b, int32_t length) {
  double lanes[kLanes] = {};
  int32_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  for (int lane = 0; i + lane < length; ++lane) {
    lanes[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
  }
  double sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

double InnerProduct(const Elements& a, const Elements& b, int64_t begin, int64_t end) {
  alignas(64) float copies[2][kBlock];
  double sum = 0;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    sum += ProductOfBlock(FloatsOfBlock(a, from, length, copies[0]),
                          FloatsOfBlock(b, from, length, copies[1]), length);
  });
  return sum;
}

InnerProducts ProductsOfPairs(const Elements* vectors, int32_t count, int64_t begin, int64_t end) {
  alignas(64) float copies[kMostVectors][kBlock];
  InnerProducts products;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    const float* blocks[kMostVectors];
    for (int32_t v = 0; v < count; ++v) blocks[v] = FloatsOfBlock(vectors[v], from, length, copies[v]);
    double* sum = products.sums;
    for (int32_t first = 0; first < count; ++first) {
      for (int32_t second = first; second < count; ++second) {
        *sum++ += ProductOfBlock(blocks[first], blocks[second], length);
      }
    }
  });
  return products;
}

}  // namespace
}  // namespace soul::SOUL_PATH
