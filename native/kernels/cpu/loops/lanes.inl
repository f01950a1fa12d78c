// Sums in an order that depends on neither the vector width nor the number of threads.
//
// Element i of a block adds to lane i mod 16, whatever the processor; the lanes then meet in a fixed order,
// in double.

namespace soul::SOUL_PATH {
namespace {

constexpr int kLanes = 16;
// Elements whose terms are summed in float32 before they go on in double.
constexpr int64_t kBlock = 1024;

// Values of one block, padded to whole rows of lanes. Filling it is a plain loop over elements, which
// compilers vectorise however long the arithmetic is; the loops over lanes below are short.
struct BlockOfTerms {
  alignas(64) float terms[kBlock];
  int64_t rows;

  template <typename Term>
  SOUL_HOST_DEVICE BlockOfTerms(int64_t begin, int64_t end, float padding, Term term)
      : rows((end - begin + kLanes - 1) / kLanes) {
    const int64_t length = end - begin;
    for (int64_t i = 0; i < length; ++i) terms[i] = term(begin + i);
    for (int64_t i = length; i < rows * kLanes; ++i) terms[i] = padding;
  }

  SOUL_HOST_DEVICE double Sum() const {
    float lanes[kLanes] = {};
    for (int64_t row = 0; row < rows; ++row) {
      for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += terms[row * kLanes + lane];
    }
    double sum = 0;
    for (int lane = 0; lane < kLanes; ++lane) sum += static_cast<double>(lanes[lane]);
    return sum;
  }

  // NaN is passed over.
  SOUL_HOST_DEVICE float Maximum() const {
    float lanes[kLanes];
    for (float& lane : lanes) lane = -Infinity();
    for (int64_t row = 0; row < rows; ++row) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const float term = terms[row * kLanes + lane];
        lanes[lane] = term > lanes[lane] ? term : lanes[lane];
      }
    }
    float maximum = lanes[0];
    for (int lane = 1; lane < kLanes; ++lane) maximum = lanes[lane] > maximum ? lanes[lane] : maximum;
    return maximum;
  }
};

// sum of term(i) over [0, length), in float32 within a block and in double from block to block.
template <typename Term>
SOUL_HOST_DEVICE double SumInBlocks(int64_t length, Term term) {
  double sum = 0;
  for (int64_t begin = 0; begin < length; begin += kBlock) {
    sum += BlockOfTerms(begin, begin + kBlock < length ? begin + kBlock : length, 0.0f, term).Sum();
  }
  return sum;
}

}  // namespace
}  // namespace soul::SOUL_PATH
