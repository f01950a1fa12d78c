// Token losses over rows of logits on the CPU: the functions of SoulInterface (runtime/interface.h says what
// they do).
#pragma once

#include "runtime/interface.h"

namespace soul {

void ScoreTokens(const SoulTokenRows* rows, const SoulTokenScores* scores);
void TokenGradient(const SoulTokenRows* rows, const int32_t* labels, const float* weights,
                   const float* log_sum_exp);
void ScoreDivergence(const SoulTokenRows* rows, const SoulTokenRows* reference, float* divergence,
                     float* log_sum_exp, float* reference_log_sum_exp);
void DivergenceGradient(const SoulTokenRows* rows, const SoulTokenRows* reference, const float* weights,
                        const float* log_sum_exp, const float* reference_log_sum_exp);

// The largest of a row's logits; NaN entries are passed over (they show in the sums).
float RowMaximum(const float* logits, int64_t vocabulary);

}  // namespace soul
