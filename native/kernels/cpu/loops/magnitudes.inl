// What quantiles are taken of: |a|, |a * b| or |a| / b, as bits that order as the numbers do; and which
// elements are 0, as the bits of a mask.

namespace soul::SOUL_PATH {
namespace {

void MagnitudeKeys(const MagnitudeTerms& terms, int64_t from, int32_t length, uint32_t* keys) {
  alignas(64) float copies[2][kBlock];
  const float* a = FloatsOfBlock(terms.a, from, length, copies[0]);
  const float* b = terms.b ? FloatsOfBlock(terms.b, from, length, copies[1]) : a;
  const auto key = [](float x, bool counts) __attribute__((always_inline)) {
    return counts && x == x ? FloatBits(x) & 0x7fffffffu : kNoKey;
  };
  switch (terms.of) {
    case MagnitudeOf::kElement:
      for (int32_t i = 0; i < length; ++i) keys[i] = key(a[i], true);
      break;
    case MagnitudeOf::kProduct:
      for (int32_t i = 0; i < length; ++i) keys[i] = key(a[i] * b[i], true);
      break;
    case MagnitudeOf::kRatio:
      for (int32_t i = 0; i < length; ++i) keys[i] = key(a[i] / b[i], b[i] >= 0.0f);
      break;
  }
}

// `begin` is a multiple of 8.
void MaskZeros(const Elements& elements, uint8_t* mask, int64_t begin, int64_t end) {
  alignas(64) float copy[kBlock + 8];
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    LoadBlock(elements, from, length, copy);
    const int32_t bytes = (length + 7) / 8;
    for (int32_t i = length; i < bytes * 8; ++i) copy[i] = 1.0f;
    uint8_t* const target = mask + from / 8;
    for (int32_t byte = 0; byte < bytes; ++byte) {
      uint32_t bits = 0;
      for (int32_t bit = 0; bit < 8; ++bit) bits |= (copy[byte * 8 + bit] == 0.0f ? 1u : 0u) << bit;
      target[byte] = static_cast<uint8_t>(bits);
    }
  });
}

}  // namespace
}  // namespace soul::SOUL_PATH
