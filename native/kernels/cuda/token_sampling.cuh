// A label drawn from softmax(logits): the first token with the largest Gumbel score, the same as the CPU's.
//
// A score takes two logarithms; nearly all are spared by a test that no winner fails. Let u / 2^32 be the
// uniform number that a token's exponential E is made of, and e = exp(logit - reference). The token's score,
// logit - log E, is no less than another's only if E / e is no more than that other's E / e. As
// E >= u / 2^32 and E <= v / (1 - v) for v = (u + 1) / 2^32, any token's v / (1 - v) / e bounds what u / e a
// winner can have: for each token that is a product and a comparison. Rounding makes both sides wrong by a
// factor near 1: what the score's own adds grows with the logits, the rest is below 2^-14; the bound leaves
// four times that. Scores spread by 26.1 and so a winner's e is no less than e^-33, however coarse they are:
// that e underflows for other tokens does no harm.
#pragma once

#include <cstdint>

#include "kernels/cuda/token_rows.cuh"
#include "kernels/random.h"

namespace soul {

class LabelDraw {
 public:
  SOUL_DEVICE explicit LabelDraw(RandomKey key) : key_(key) {}

  // The reference has risen: e of the past is to be multiplied by `factor`.
  SOUL_DEVICE void Rise(float factor) { bound_ = bound_ / factor; }

  // Draws from a tile too; `exponentials` are its e. The lanes of a warp call it together.
  template <typename Element>
  SOUL_DEVICE void Add(const Element* row, uint32_t vocabulary, const TokenPlace& place, float reference,
                       const float (&exponentials)[kTokens]) {
    float draws[kTokens];
    bool any = false;
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      draws[i] = static_cast<float>(RandomBits(key_, place.Index(i)));
      any |= draws[i] <= exponentials[i] * bound_;
    }
    if (Ballot(any) == 0) return;

    Tighten(reference, draws, exponentials);
    uint32_t candidates = 0;
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      candidates |= draws[i] <= exponentials[i] * bound_ ? 1u << i : 0u;
    }
    for (int i = 0; candidates != 0; ++i, candidates >>= 1) {
      while ((candidates & 1u) == 0) {
        candidates >>= 1;
        ++i;
      }
      const uint32_t token = place.Index(i);
      if (token < vocabulary) Consider(LogitAt(row, token), static_cast<int32_t>(token));
    }
  }

  // This lane's.
  SOUL_DEVICE float best() const { return best_; }
  SOUL_DEVICE int32_t label() const { return label_; }

 private:
  // Lowers the bound to what the warp's likeliest winner in the tile leaves.
  SOUL_DEVICE void Tighten(float reference, const float (&draws)[kTokens],
                           const float (&exponentials)[kTokens]) {
    // The least draw / e, as a fraction: comparing two takes no division.
    float draw = 0x1p32f;
    float e = 0.0f;
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      const bool less = draws[i] * e < draw * exponentials[i];
      draw = less ? draws[i] : draw;
      e = less ? exponentials[i] : e;
    }
    const float above = draw + 1.0f;
    const float magnitude = reference < 0.0f ? -reference : reference;
    const float slack = Exp(0x1p-12f + 0x1p-22f * magnitude);
    const float bound = e > 0.0f ? above / (1.0f - above * 0x1p-32f) / e * slack : Infinity();
    bound_ = ::fminf(bound_, -WarpLargest(-bound));
  }

  SOUL_DEVICE void Consider(float logit, int32_t token) {
    const float score = GumbelScore(logit, RandomBits(key_, static_cast<uint32_t>(token)));
    if (!(score > best_ || (score == best_ && token < label_))) return;
    best_ = score;
    label_ = token;
  }

  const RandomKey key_;
  float bound_ = Infinity();  // of draw / e; NaN never
  float best_ = -Infinity();
  int32_t label_ = 0;
};

}  // namespace soul
