// Kernels on rows of logits, named by their dtypes, the reference's last. Those with `finish` put the parts
// of rows together. What compares rows with a reference compares them with targets too.
#include "kernels/cuda/token_divergence.cuh"
#include "kernels/cuda/token_gradient.cuh"
#include "kernels/cuda/token_scores.cuh"

namespace soul {

#define SOUL_SCORES_OF(name, Element, samples, moments)        \
  SOUL_KERNEL(soul_score_tokens##name, TokenScoreParameters) { \
    ScoreTokens<Element, samples, moments>(parameters);        \
  }
#define SOUL_SCORES(name, samples, moments)                     \
  SOUL_SCORES_OF(name##_f32, float, samples, moments)           \
  SOUL_SCORES_OF(name##_bf16, uint16_t, samples, moments)       \
  SOUL_KERNEL(soul_finish_scores##name, TokenScoreParameters) { \
    FinishScores<samples, moments>(parameters);                 \
  }
SOUL_SCORES(, false, false)
SOUL_SCORES(_sampled, true, false)
SOUL_SCORES(_moments, false, true)
SOUL_SCORES(_sampled_moments, true, true)

SOUL_KERNEL(soul_token_gradient_f32, TokenGradientParameters) {
  TokenGradient<float>(parameters);
}
SOUL_KERNEL(soul_token_gradient_bf16, TokenGradientParameters) {
  TokenGradient<uint16_t>(parameters);
}
SOUL_KERNEL(soul_finish_token_gradient, TokenGradientParameters) {
  FinishGradient(parameters);
}

#define SOUL_DIVERGENCE(name, Element, OtherElement)                          \
  SOUL_KERNEL(soul_score_divergence##name, DivergenceParameters) {            \
    ScoreDivergence<Element, OtherElement>(parameters);                       \
  }                                                                           \
  SOUL_KERNEL(soul_divergence_gradient##name, DivergenceGradientParameters) { \
    DivergenceGradient<Element, OtherElement>(parameters);                    \
  }
SOUL_DIVERGENCE(_f32_f32, float, float)
SOUL_DIVERGENCE(_f32_bf16, float, uint16_t)
SOUL_DIVERGENCE(_bf16_f32, uint16_t, float)
SOUL_DIVERGENCE(_bf16_bf16, uint16_t, uint16_t)

SOUL_KERNEL(soul_score_own_target_f32, DivergenceParameters) {
  ScoreDivergence<float, OwnRow>(parameters);
}
SOUL_KERNEL(soul_score_own_target_bf16, DivergenceParameters) {
  ScoreDivergence<uint16_t, OwnRow>(parameters);
}

SOUL_KERNEL(soul_finish_divergence, DivergenceParameters) {
  FinishDivergence(parameters);
}

}  // namespace soul
