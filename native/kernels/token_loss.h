// Losses of a token over the vocabulary, term by term.
//
// With d = logit - reference, e = exp(d), S = sum e, for a reference at or near the largest logit:
// log p = d - log S, and every figure is a sum over terms below. A logit of -infinity (a masked token) has
// e = 0 and takes no part; a NaN anywhere makes the figures NaN.
#pragma once

#include "kernels/float_math.h"
#include "kernels/host_device.h"
#include "kernels/random.h"

namespace soul {

// e * x, where x is infinite when e is 0.
SOUL_HOST_DEVICE float WeightedTerm(float e, float x) {
  return e > 0.0f ? e * x : e;
}

// e * (d - mean)^2, the variance's term.
SOUL_HOST_DEVICE float SpreadTerm(float e, float d, float mean) {
  return WeightedTerm(e, (d - mean) * (d - mean));
}

// The token with the largest score is a draw from softmax(logits) (Gumbel-max: -log of an exponential is
// Gumbel).
SOUL_HOST_DEVICE float GumbelScore(float logit, uint32_t bits) {
  return logit - Log(ExponentialFromBits(bits));
}

// p of one token from its logit.
SOUL_HOST_DEVICE float TokenProbability(float logit, float log_sum_exp) {
  return Exp(logit - log_sum_exp);
}

// p * (log p - log q) without the two log S, from the d of both.
SOUL_HOST_DEVICE float DivergenceTerm(float reference_e, float reference_d, float d) {
  return WeightedTerm(reference_e, reference_d - d);
}

// -t * log p without log S: what a divergence's term is without the reference's own part.
SOUL_HOST_DEVICE float CrossEntropyTerm(float target_e, float d) {
  return DivergenceTerm(target_e, 0.0f, d);
}

// A target t that is the softmax of a row's own logits but for the label's, to which `shift` is added. With
// p = softmax(logits), for every token but the label
//
//   p - t = t * p(label) * expm1(shift) = p * t(label) * -expm1(-shift)
//
// and the label's entry is minus the sum of these: no difference of numbers that are nearly equal. Of the two
// forms the first is taken where shift <= 0, else the second, so that no factor is large. Hence the gradient
// is that of a token's loss under another distribution, t or p, with the weight times this.
SOUL_HOST_DEVICE float OwnTargetFactor(float label_probability, float shift_factor) {
  return label_probability * shift_factor;
}

}  // namespace soul
