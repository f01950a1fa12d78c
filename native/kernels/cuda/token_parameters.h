// What the kernels on rows of logits are given.
#pragma once

#include <cstdint>

#include "runtime/interface.h"

namespace soul {

// A thread takes this many groups of 4 logits, a block's length apart, from each tile of a row: with 2 no
// kernel needs more than 64 registers, and 1024 threads and more of a multiprocessor have 32 bytes or more
// under way each, of bfloat16 half of that.
constexpr int32_t kTokenGroups = 2;

// Logits in a tile of a block.
constexpr int32_t TokenTile(int32_t threads) {
  return threads * kTokenGroups * 4;
}
// Tiles of a row whose first group of 4 lacks `missing` logits.
constexpr int64_t TokenTiles(int64_t vocabulary, int64_t missing, int32_t threads) {
  return (missing + vocabulary + TokenTile(threads) - 1) / TokenTile(threads);
}

// A block takes one part of one row, every part but the last of the same number of tiles. Where rows have
// several parts, what each found is put together by a second kernel: a lane for each part.
constexpr int32_t kMostTokenParts = 32;

struct TokenParts {
  int32_t parts;
  int32_t tiles;  // of a part
  int32_t all_tiles;
  int64_t items;  // parts of all rows
};

// What a part of a row, or a row, comes to. Sums run over e = exp(d), d = logit - reference.
struct TokenFigures {
  float reference;
  float maximum;
  double sum;         // of e
  double sum_d;       // of e * d
  double sum_square;  // of e * d^2
  float best_score;   // of the Gumbel scores
  int32_t label;      // the first with that score
  int32_t first_maximum;
};

struct TokenScoreParameters {
  SoulTokenRows rows;
  SoulTokenScores scores;
  TokenParts split;
  TokenFigures* figures;  // rows * parts, where there are several
};

struct TokenGradientParameters {
  SoulTokenRows rows;
  const int32_t* labels;
  const float* weights;
  const float* log_sum_exp;
  TokenParts split;
  double* others;  // rows * parts, where there are several: sums of the probabilities of all but the label
  // Of own targets (OwnTargetFactor), which the weights are multiplied with; null: of labels.
  const float* label_probability;
  float shift_factor;
};

// The token of each row whose logit is shifted in what rows are compared with; null labels: none is.
struct ShiftedLabels {
  const int32_t* labels;
  float by;
};

struct DivergenceFigures {
  float reference;        // of the logits
  float other_reference;  // of the reference's logits
  double sum;
  double other_sum;
  double terms;
};

struct DivergenceParameters {
  SoulTokenRows rows;
  SoulTokenRows reference;
  float* divergence;
  float* log_sum_exp;
  float* reference_log_sum_exp;
  TokenParts split;
  DivergenceFigures* figures;  // rows * parts, where there are several
  // What is compared with is a target: `divergence` is the cross-entropy, without the target's own entropy.
  bool is_target;
  ShiftedLabels shifted;
  float* label_probability;  // of own targets, else null
};

struct DivergenceGradientParameters {
  SoulTokenRows rows;
  SoulTokenRows reference;
  const float* weights;
  const float* log_sum_exp;
  const float* reference_log_sum_exp;
  TokenParts split;
  ShiftedLabels shifted;
};

}  // namespace soul
