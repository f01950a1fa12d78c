// Kernels on rows of logits. Those with `finish` put the parts of rows together.
#include "kernels/cuda/token_divergence.cuh"
#include "kernels/cuda/token_gradient.cuh"
#include "kernels/cuda/token_scores.cuh"

namespace soul {

#define SOUL_SCORES(name, samples, moments)                     \
  SOUL_KERNEL(soul_score_tokens##name, TokenScoreParameters) {  \
    ScoreTokens<samples, moments>(parameters);                  \
  }                                                             \
  SOUL_KERNEL(soul_finish_scores##name, TokenScoreParameters) { \
    FinishScores<samples, moments>(parameters);                 \
  }
SOUL_SCORES(, false, false)
SOUL_SCORES(_sampled, true, false)
SOUL_SCORES(_moments, false, true)
SOUL_SCORES(_sampled_moments, true, true)

SOUL_KERNEL(soul_token_gradient, TokenGradientParameters) {
  TokenGradient(parameters);
}
SOUL_KERNEL(soul_finish_token_gradient, TokenGradientParameters) {
  FinishGradient(parameters);
}

SOUL_KERNEL(soul_score_divergence, DivergenceParameters) {
  ScoreDivergence(parameters);
}
SOUL_KERNEL(soul_finish_divergence, DivergenceParameters) {
  FinishDivergence(parameters);
}
SOUL_KERNEL(soul_divergence_gradient, DivergenceGradientParameters) {
  DivergenceGradient(parameters);
}

}  // namespace soul
