// The divergence of two rows of logits, and its gradient.

namespace soul::SOUL_PATH {
namespace {

double SumDivergence(const float* logits, const float* reference, int64_t vocabulary, float maximum,
                     float reference_maximum) {
  return SumInBlocks(vocabulary, [=](int64_t i) __attribute__((always_inline)) {
    const float reference_d = reference[i] - reference_maximum;
    return DivergenceTerm(Exp(reference_d), reference_d, logits[i] - maximum);
  });
}

void GradientRow(float* logits, const float* reference, int64_t vocabulary, float weight, float log_sum_exp,
                 float reference_log_sum_exp) {
  for (int64_t i = 0; i < vocabulary; ++i) {
    logits[i] = weight * (TokenProbability(logits[i], log_sum_exp) -
                          TokenProbability(reference[i], reference_log_sum_exp));
  }
}

void ScoreDivergence(const SoulTokenRows* rows, const SoulTokenRows* reference, float* divergence,
                     float* log_sum_exp, float* reference_log_sum_exp) {
  const int64_t vocabulary = rows->vocabulary;
  for (int64_t row = 0; row < rows->rows; ++row) {
    const float* logits = rows->logits + row * rows->stride;
    const float* reference_logits = reference->logits + row * reference->stride;
    const float maximum = Maximum(logits, vocabulary);
    const float reference_maximum = Maximum(reference_logits, vocabulary);
    const float log_sum = Log(static_cast<float>(SumExponentials(logits, vocabulary, maximum)));
    const double reference_sum = SumExponentials(reference_logits, vocabulary, reference_maximum);
    const float reference_log_sum = Log(static_cast<float>(reference_sum));
    if (log_sum_exp != nullptr) log_sum_exp[row] = maximum + log_sum;
    if (reference_log_sum_exp != nullptr) reference_log_sum_exp[row] = reference_maximum + reference_log_sum;
    if (divergence != nullptr) {
      const double terms = SumDivergence(logits, reference_logits, vocabulary, maximum, reference_maximum);
      const float value =
          static_cast<float>(terms / reference_sum + (static_cast<double>(log_sum) - reference_log_sum));
      // Rounding may leave a divergence of nothing just below 0.
      divergence[row] = value < 0.0f ? 0.0f : value;
    }
  }
}

void DivergenceGradient(const SoulTokenRows* rows, const SoulTokenRows* reference, const float* weights,
                        const float* log_sum_exp, const float* reference_log_sum_exp) {
  for (int64_t row = 0; row < rows->rows; ++row) {
    GradientRow(rows->logits + row * rows->stride, reference->logits + row * reference->stride,
                rows->vocabulary, weights[row], log_sum_exp[row], reference_log_sum_exp[row]);
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
