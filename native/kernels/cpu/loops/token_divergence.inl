// The divergence of two rows of logits, and its gradient.

namespace soul::SOUL_PATH {
namespace {

struct Divergence {
  float divergence;
  float log_sum_exp;
  float reference_log_sum_exp;
};

Divergence DivergenceOfRow(const Elements& logits, const Elements& reference, int64_t vocabulary) {
  ExponentialSum own, other;
  double terms = 0;  // of p * (log p - log q), p the reference's, without the log sums
  BlockOfTerms block, products;
  alignas(64) float room[kBlock], other_room[kBlock];
  ForBlocks(0, vocabulary, [&](int64_t begin, int32_t length) {
    const float* __restrict x = FloatsOf(logits, begin, length, room);
    const float* __restrict y = FloatsOf(reference, begin, length, other_room);
    float shift, other_shift;
    own.Rise(LargestOf(x, length), &shift);
    const double factor = other.Rise(LargestOf(y, length), &other_shift);
    // Terms that now weigh nothing are gone, infinite ones too.
    terms = factor > 0 ? terms * factor : 0;
    // Before the first token there is nothing to move.
    if (other.sum > 0) terms += other.sum * (static_cast<double>(other_shift) - shift);

    Exponentials(x, length, own.reference, &block);
    own.sum += block.Sum(length);
    Exponentials(y, length, other.reference, &block);
    other.sum += block.Sum(length);
    const float* __restrict e = block.terms;
    const float p = other.reference, q = own.reference;
    products.Fill(length, [=](int32_t i) { return DivergenceTerm(e[i], y[i] - p, x[i] - q); });
    terms += products.Sum(length);
  });
  const float log_sum = own.LogSum(), other_log_sum = other.LogSum();
  const float value = static_cast<float>(terms / other.sum + (static_cast<double>(log_sum) - other_log_sum));
  // Rounding may leave a divergence of nothing just below 0.
  return {value < 0.0f ? 0.0f : value, own.reference + log_sum, other.reference + other_log_sum};
}

void ScoreDivergence(const SoulTokenRows* rows, const SoulTokenRows* reference, float* divergence,
                     float* log_sum_exp, float* reference_log_sum_exp) {
  for (int64_t row = 0; row < rows->rows; ++row) {
    const Divergence found = DivergenceOfRow(RowOf(*rows, row), RowOf(*reference, row), rows->vocabulary);
    if (divergence != nullptr) divergence[row] = found.divergence;
    if (log_sum_exp != nullptr) log_sum_exp[row] = found.log_sum_exp;
    if (reference_log_sum_exp != nullptr) reference_log_sum_exp[row] = found.reference_log_sum_exp;
  }
}

void DivergenceGradientRow(const Elements& logits, const Elements& reference, int64_t vocabulary,
                           float weight, float log_sum_exp, float reference_log_sum_exp) {
  BlockOfTerms block, other;
  alignas(64) float room[kBlock];
  ForBlocks(0, vocabulary, [&](int64_t begin, int32_t length) {
    Exponentials(FloatsOf(logits, begin, length, room), length, log_sum_exp, &block);
    Exponentials(FloatsOf(reference, begin, length, room), length, reference_log_sum_exp, &other);
    const float *const q = block.terms, *const p = other.terms;
    StoreBlock(logits, begin, length, [=](int32_t i) { return weight * (q[i] - p[i]); });
  });
}

void DivergenceGradient(const SoulTokenRows* rows, const SoulTokenRows* reference, const float* weights,
                        const float* log_sum_exp, const float* reference_log_sum_exp) {
  for (int64_t row = 0; row < rows->rows; ++row) {
    DivergenceGradientRow(RowOf(*rows, row), RowOf(*reference, row), rows->vocabulary, weights[row],
                          log_sum_exp[row], reference_log_sum_exp[row]);
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
