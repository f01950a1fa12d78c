// The gradients of the token losses, in place: one read and one write of each row.
#pragma once

#include <cstdint>

#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/token_rows.cuh"

namespace soul {

SOUL_DEVICE float WeightOf(const TokenGradientParameters& parameters, int64_t index) {
  const float weight = parameters.weights[index];
  if (parameters.label_probability == nullptr) return weight;
  return weight * OwnTargetFactor(parameters.label_probability[index], parameters.shift_factor);
}

// p(label) - 1 is minus the sum of all others, and as that sum keeps its digits when p(label) is nearly 1.
SOUL_DEVICE void WriteLabel(const TokenGradientParameters& parameters, int64_t index, double others) {
  StoreLogit(parameters.rows, index, parameters.labels[index],
             -(WeightOf(parameters, index) * static_cast<float>(others)));
}

// Writes a thread's share of a part; returns its sum of the probabilities of all but the label.
template <typename Element>
SOUL_DEVICE double GradientShare(const TokenGradientParameters& parameters, int64_t index, int32_t part) {
  auto* const row = RowOf<Element>(parameters.rows, index);
  const auto vocabulary = static_cast<uint32_t>(parameters.rows.vocabulary);
  const float weight = WeightOf(parameters, index), log_sum_exp = parameters.log_sum_exp[index];
  const auto label = static_cast<uint32_t>(parameters.labels[index]);
  double others = 0;
  ForTiles(parameters.split, part, [&](int32_t tile) {
    const TokenPlace place = PlaceInTile(row, vocabulary, tile);
    float values[kTokens];
    LoadTile(row, vocabulary, place, true, values);
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < kTokens; i += 4) {
      float four[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        four[j] = TokenProbability(values[i + j], log_sum_exp);
        values[i + j] = weight * four[j];
      }
      StoreFour(row, vocabulary, place.Index(i), values + i);
      const uint32_t at = label - place.Index(i);
      if (at < 4) {
        // 0, or NaN as everywhere in the row.
        const float nothing = TokenProbability(-Infinity(), log_sum_exp);
#pragma unroll
        for (int j = 0; j < 4; ++j) four[j] = static_cast<uint32_t>(j) == at ? nothing : four[j];
      }
      sum += (four[0] + four[1]) + (four[2] + four[3]);
    }
    others += static_cast<double>(sum);
  });
  return others;
}

template <typename Element>
SOUL_DEVICE void TokenGradient(const TokenGradientParameters& parameters) {
  ForParts(parameters.split, [&](int64_t index, int32_t part) {
    // Its barriers come between the writes of the row and that of the label.
    const double others = BlockSum(GradientShare<Element>(parameters, index, part));
    if (ThreadIndex() != 0) return;
    if (parameters.split.parts > 1) {
      parameters.others[index * parameters.split.parts + part] = others;
    } else {
      WriteLabel(parameters, index, others);
    }
  });
}

// Puts the parts of rows together.
SOUL_DEVICE void FinishGradient(const TokenGradientParameters& parameters) {
  const int32_t lane = ThreadIndex() % kWarp, parts = parameters.split.parts;
  ForRowsOfWarp(parameters.rows.rows, [&](int64_t index) {
    const double others = WarpSum(lane < parts ? parameters.others[index * parts + lane] : 0.0);
    if (lane == 0) WriteLabel(parameters, index, others);
  });
}

template <typename Element, typename OtherElement>
SOUL_DEVICE void DivergenceGradient(const DivergenceGradientParameters& parameters) {
  const auto vocabulary = static_cast<uint32_t>(parameters.rows.vocabulary);
  ForParts(parameters.split, [&](int64_t index, int32_t part) {
    auto* const row = RowOf<Element>(parameters.rows, index);
    const auto* const other_row = RowOf<OtherElement>(parameters.reference, index);
    const bool aligned = MissingBefore(row) == MissingBefore(other_row);
    const uint32_t label = ShiftedLabel(parameters.shifted, index);
    const float weight = parameters.weights[index];
    const float log_sum_exp = parameters.log_sum_exp[index];
    const float other_log_sum_exp = parameters.reference_log_sum_exp[index];
    ForTiles(parameters.split, part, [&](int32_t tile) {
      const TokenPlace place = PlaceInTile(row, vocabulary, tile);
      float values[kTokens], others[kTokens];
      LoadTile(row, vocabulary, place, true, values);
      LoadTile(other_row, vocabulary, place, aligned, others);
      Shift(place, label, parameters.shifted.by, others);
#pragma unroll
      for (int i = 0; i < kTokens; ++i) {
        values[i] = weight * (TokenProbability(values[i], log_sum_exp) -
                              TokenProbability(others[i], other_log_sum_exp));
      }
#pragma unroll
      for (int i = 0; i < kTokens; i += 4) StoreFour(row, vocabulary, place.Index(i), values + i);
    });
  });
}

}  // namespace soul
