// What quantiles are taken of: |a|, |a * b| or |a| / b, as bits that order as the numbers do.

namespace soul::SOUL_PATH {
namespace {

void MagnitudeKeys(const MagnitudeTerms& terms, int64_t from, int32_t length, uint32_t* keys) {
  alignas(64) float copies[2][kBlock];
  const float* a = AsFloats(terms.a, from, length, copies[0]);
  const float* b = terms.b ? AsFloats(terms.b, from, length, copies[1]) : a;
  switch (terms.of) {
    case MagnitudeOf::kElement:
      for (int32_t i = 0; i < length; ++i) keys[i] = MagnitudeKey(a[i], true);
      break;
    case MagnitudeOf::kProduct:
      for (int32_t i = 0; i < length; ++i) keys[i] = MagnitudeKey(a[i] * b[i], true);
      break;
    case MagnitudeOf::kRatio:
      for (int32_t i = 0; i < length; ++i) keys[i] = MagnitudeKey(a[i] / b[i], b[i] >= 0.0f);
      break;
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
