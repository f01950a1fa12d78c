// The softmax of a row, block by block, in one read: what is summed so far is kept relative to a reference
// that follows the largest logit.

namespace soul::SOUL_PATH {
namespace {

// terms[i] <- Exp(logits[i] - reference).
//
// First by the short form of Exp, in two loops that each leave the processor a shorter chain of operations
// to overlap; then once more in full where a difference was out of its range.
void Exponentials(const float* __restrict logits, int32_t length, float reference,
                  BlockOfTerms* __restrict block) {
  alignas(64) float rests[kBlock], powers[kBlock];
  // Bits of the extreme differences: the largest one, unless all are negative; the least one, unless none is.
  int32_t largest = INT32_MIN;
  uint32_t least = 0;
  for (int32_t i = 0; i < length; ++i) {
    const float x = logits[i] - reference;
    const uint32_t bits = FloatBits(x);
    largest = static_cast<int32_t>(bits) > largest ? static_cast<int32_t>(bits) : largest;
    least = bits > least ? bits : least;
    const ReducedExponent reduced = ReduceExponent(x);
    rests[i] = reduced.rest;
    powers[i] = PowerOfTwo(reduced.exponent);
  }
  if (largest <= static_cast<int32_t>(FloatBits(kLargestOrdinaryExponent)) &&
      least <= FloatBits(kLeastOrdinaryExponent)) {
    for (int32_t i = 0; i < length; ++i) block->terms[i] = ExpOfRest(rests[i]) * powers[i];
  } else {
    for (int32_t i = 0; i < length; ++i) block->terms[i] = Exp(logits[i] - reference);
  }
  block->Pad(length);
}

// sum of Exp(logit - reference). The reference moves to the largest logit once that is more than 1 above it:
// each move rounds the sum, and shrinks it, so that the rounding of many moves does not add up. Where one
// token is nearly certain the reference is its logit, and the sum's digits are those of all others.
struct ExponentialSum {
  float reference = -0x1.fffffep127f;
  double sum = 0;

  // What sums of the past are to be multiplied by when the blocks so far reach up to `largest`; `shift` is
  // to be added to differences from the reference.
  SOUL_HOST_DEVICE double Rise(float largest, float* shift) {
    *shift = 0.0f;
    if (!(largest > reference + 1.0f)) return 1.0;
    *shift = reference - largest;
    reference = largest;
    const double factor = static_cast<double>(Exp(*shift));
    sum *= factor;
    return factor;
  }

  // NaN for a row without a token, masked ones apart.
  SOUL_HOST_DEVICE float LogSum() const { return sum > 0 ? Log(static_cast<float>(sum)) : NotANumber(); }
};

}  // namespace
}  // namespace soul::SOUL_PATH
