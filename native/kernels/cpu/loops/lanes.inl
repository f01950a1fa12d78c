// Sums in an order that depends on neither the vector width nor the number of threads.
//
// Element i of a block adds to lane i mod 16, whatever the processor; the lanes then meet in a fixed order,
// in double.

namespace soul::SOUL_PATH {
namespace {

constexpr int kLanes = 16;

// Values of one block, padded with zeros to whole rows of lanes. Filling it is a plain loop over elements,
// which compilers vectorise however long the arithmetic is; the loops over lanes below are short.
struct BlockOfTerms {
  alignas(64) float terms[kBlock];

  SOUL_HOST_DEVICE void Pad(int32_t length) {
    for (int32_t i = length; i % kLanes != 0; ++i) terms[i] = 0.0f;
  }

  template <typename Term>
  SOUL_HOST_DEVICE void Fill(int32_t length, const Term& term) {
    for (int32_t i = 0; i < length; ++i) terms[i] = term(i);
    Pad(length);
  }

  SOUL_HOST_DEVICE double Sum(int32_t length) const {
    float lanes[kLanes] = {};
    for (int32_t i = 0; i < length; i += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += terms[i + lane];
    }
    double sum = 0;
    for (int lane = 0; lane < kLanes; ++lane) sum += static_cast<double>(lanes[lane]);
    return sum;
  }
};

// The largest value; NaN is passed over, and of no values it is -infinity.
//
// Compilers vectorise a maximum of integers, not one of floats. The bits of floats that are not negative are
// ordered as signed integers, those of negative ones the other way round.
float LargestOf(const float* values, int32_t length) {
  int32_t largest = INT32_MIN;
  uint32_t smallest = UINT32_MAX;
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t bits = FloatBits(values[i]);
    largest = static_cast<int32_t>(bits) > largest ? static_cast<int32_t>(bits) : largest;
    smallest = bits < smallest ? bits : smallest;
  }
  const float found = FloatFromBits(largest < 0 ? smallest : static_cast<uint32_t>(largest));
  if (found == found) return found;
  float beside_nan = -Infinity();
  for (int32_t i = 0; i < length; ++i) beside_nan = values[i] > beside_nan ? values[i] : beside_nan;
  return beside_nan;
}

}  // namespace
}  // namespace soul::SOUL_PATH
