// Token losses over rows of logits in one read (runtime/interface.h says what each figure is).
#pragma once

#include <cstdint>

#include "kernels/cuda/token_rows.cuh"
#include "kernels/cuda/token_sampling.cuh"

namespace soul {

// 0 where there is nothing yet, however far the reference moves; NaN stays.
SOUL_DEVICE double Weighted(double factor, double value, double sum) {
  return factor > 0 ? factor * value : factor * sum;
}

// Moves the reference of sums by `shift`, and scales them.
template <bool kMoments>
SOUL_DEVICE void Rescale(TokenFigures* figures, float shift, double factor) {
  const double sum = figures->sum;
  figures->sum = factor * sum;
  if constexpr (kMoments) {
    const auto by = static_cast<double>(shift);
    const double sum_d = figures->sum_d;
    figures->sum_square = Weighted(factor, figures->sum_square + by * (2 * sum_d + by * sum), sum);
    figures->sum_d = Weighted(factor, sum_d + by * sum, sum);
  }
}

// Adds a tile's e and d. Within the tile both moments are taken around its mean, rounded: what they lose by
// rounding is relative to what the tile spreads. In double the moments of a row can then be added as they
// are: its variance is no less than about d^2 over the number of tokens, in a figure of 53 bits.
SOUL_DEVICE void AddMoments(TokenFigures* figures, const float (&e)[kTokens], const float (&d)[kTokens],
                            float sum) {
  float terms[kTokens];
#pragma unroll
  for (int i = 0; i < kTokens; ++i) terms[i] = e[i] * d[i];
  const float center = sum > 0.0f ? SumOf(terms) / sum : 0.0f;
#pragma unroll
  for (int i = 0; i < kTokens; ++i) terms[i] = e[i] * (d[i] - center);
  const double first = static_cast<double>(SumOf(terms));
#pragma unroll
  for (int i = 0; i < kTokens; ++i) terms[i] = SpreadTerm(e[i], d[i], center);
  const double second = static_cast<double>(SumOf(terms));
  const double middle = static_cast<double>(center);
  const double weighted = middle * static_cast<double>(sum);
  figures->sum_d += first + weighted;
  figures->sum_square += second + middle * (2 * first + weighted);
}

// What the lanes of a warp found, together, in each of them: their references may differ.
template <bool kSamples, bool kMoments>
SOUL_DEVICE TokenFigures MergeInWarp(TokenFigures figures) {
  const float reference = WarpLargest(figures.reference);
  const float shift = figures.reference - reference;
  const auto factor = static_cast<double>(Exp(shift));
  Rescale<kMoments>(&figures, shift, factor);
  if constexpr (kMoments) {
    figures.sum_d = WarpSum(figures.sum_d);
    figures.sum_square = WarpSum(figures.sum_square);
  }
  figures.sum = WarpSum(figures.sum);
  figures.reference = reference;

  const float maximum = WarpLargest(figures.maximum);
  figures.first_maximum = WarpLeast(figures.maximum == maximum ? figures.first_maximum : INT32_MAX);
  figures.maximum = maximum;
  if constexpr (kSamples) {
    const float best = WarpLargest(figures.best_score);
    figures.label = WarpLeast(figures.best_score == best ? figures.label : INT32_MAX);
    figures.best_score = best;
  }
  return figures;
}

SOUL_DEVICE TokenFigures NoFigures() {
  return {kNoReference, -Infinity(), 0, 0, 0, -Infinity(), INT32_MAX, INT32_MAX};
}

// The first of this thread's logits that is `maximum`, from a tile on.
template <typename Element>
SOUL_DEVICE int32_t FirstEqual(const Element* row, uint32_t vocabulary, int32_t tile, int32_t end,
                               float maximum) {
  for (; tile < end; ++tile) {
    const TokenPlace place = PlaceInTile(row, vocabulary, tile);
    for (int i = 0; i < kTokens; ++i) {
      const uint32_t token = place.Index(i);
      if (token < vocabulary && LogitAt(row, token) == maximum) return static_cast<int32_t>(token);
    }
  }
  return INT32_MAX;
}

// What this warp finds in its share of a part, in each lane.
template <typename Element, bool kSamples, bool kMoments>
SOUL_DEVICE TokenFigures ScoreShare(const TokenScoreParameters& parameters, int64_t index, int32_t part) {
  const SoulTokenScores& scores = parameters.scores;
  const auto* const row = RowOf<Element>(parameters.rows, index);
  const auto vocabulary = static_cast<uint32_t>(parameters.rows.vocabulary);
  TokenFigures figures = NoFigures();
  LabelDraw draw(kSamples ? KeyOf(scores.sample_seed, scores.first_row + static_cast<uint64_t>(index))
                          : RandomKey{});
  int32_t maximum_tile = part * parameters.split.tiles;
  ForTiles(parameters.split, part, [&](int32_t tile) {
    const TokenPlace place = PlaceInTile(row, vocabulary, tile);
    float values[kTokens];
    LoadTile(row, vocabulary, place, true, values);
    const float largest = LargestOf(values);
    if (largest > figures.maximum) {
      figures.maximum = largest;
      maximum_tile = tile;
    }
    const float shift = Rise(largest, &figures.reference);
    if (shift < 0.0f) {
      const float factor = Exp(shift);
      Rescale<kMoments>(&figures, shift, static_cast<double>(factor));
      if constexpr (kSamples) draw.Rise(factor);
    }
    float exponentials[kTokens];
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      values[i] = Difference(values[i], figures.reference);
      exponentials[i] = ExpOfDifference(values[i]);
    }
    const float sum = SumOf(exponentials);
    figures.sum += static_cast<double>(sum);
    if constexpr (kMoments) AddMoments(&figures, exponentials, values, sum);
    if constexpr (kSamples) draw.Add(row, vocabulary, place, figures.reference, exponentials);
  });
  if constexpr (kSamples) {
    figures.best_score = draw.best();
    figures.label = draw.label();
  }
  // Its place is looked up by the lanes that hold it, nearly always one.
  const float maximum = WarpLargest(figures.maximum);
  if (scores.is_argmax != nullptr || (kSamples && maximum == Infinity())) {
    if (figures.maximum == maximum) {
      figures.first_maximum = FirstEqual(row, vocabulary, maximum_tile, parameters.split.all_tiles, maximum);
    }
  }
  return MergeInWarp<kSamples, kMoments>(figures);
}

// Writes what was asked for of a row; one thread does.
template <bool kSamples, bool kMoments>
SOUL_DEVICE void WriteScores(const TokenScoreParameters& parameters, int64_t index,
                             const TokenFigures& figures) {
  const SoulTokenScores& scores = parameters.scores;
  const float log_sum = LogOfSum(figures.sum);
  if (scores.log_sum_exp != nullptr) scores.log_sum_exp[index] = figures.reference + log_sum;
  if constexpr (kMoments) {
    const double mean = figures.sum_d / figures.sum;
    if (scores.mean_log_p != nullptr) scores.mean_log_p[index] = static_cast<float>(mean) - log_sum;
    if (scores.variance_log_p != nullptr) {
      const auto variance = static_cast<float>(figures.sum_square / figures.sum - mean * mean);
      // Rounding may leave it just below 0.
      scores.variance_log_p[index] = variance < 0.0f ? 0.0f : variance;
    }
  }
  int32_t label = 0;
  if constexpr (kSamples) {
    // An infinite score cannot be beaten: the first one stands.
    label = figures.maximum == Infinity() ? figures.first_maximum : figures.label;
    scores.sampled_labels[index] = label;
  } else {
    if (scores.labels == nullptr) return;
    label = scores.labels[index];
  }
  // Not log_sum_exp - logit: that would round away the small loss of a token that is nearly certain.
  if (scores.nll != nullptr) {
    scores.nll[index] = (figures.reference - LogitOf(parameters.rows, index, label)) + log_sum;
  }
  if (scores.is_argmax != nullptr) scores.is_argmax[index] = label == figures.first_maximum ? 1 : 0;
}

template <typename Element, bool kSamples, bool kMoments>
SOUL_DEVICE void ScoreTokens(const TokenScoreParameters& parameters) {
  SOUL_SHARED(TokenFigures, warps, kMostThreads / kWarp);
  const int32_t warp = ThreadIndex() / kWarp, lane = ThreadIndex() % kWarp;
  ForParts(parameters.split, [&](int64_t index, int32_t part) {
    const TokenFigures share = ScoreShare<Element, kSamples, kMoments>(parameters, index, part);
    Barrier();  // what the row before left has been read
    if (lane == 0) warps[warp] = share;
    Barrier();
    if (warp != 0) return;
    const TokenFigures figures =
        MergeInWarp<kSamples, kMoments>(lane < ThreadCount() / kWarp ? warps[lane] : NoFigures());
    if (lane != 0) return;
    if (parameters.split.parts > 1) {
      parameters.figures[index * parameters.split.parts + part] = figures;
    } else {
      WriteScores<kSamples, kMoments>(parameters, index, figures);
    }
  });
}

// Puts the parts of rows together.
template <bool kSamples, bool kMoments>
SOUL_DEVICE void FinishScores(const TokenScoreParameters& parameters) {
  const int32_t lane = ThreadIndex() % kWarp, parts = parameters.split.parts;
  ForRowsOfWarp(parameters.rows.rows, [&](int64_t index) {
    const TokenFigures figures = MergeInWarp<kSamples, kMoments>(
        lane < parts ? parameters.figures[index * parts + lane] : NoFigures());
    if (lane == 0) WriteScores<kSamples, kMoments>(parameters, index, figures);
  });
}

}  // namespace soul
