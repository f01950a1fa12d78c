// The divergence of two rows of logits, or their cross-entropy where the second is a target, in one read of
// each; of an own target the second is the first, with one logit shifted.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/token_rows.cuh"

namespace soul {

// In the place of the other rows' element: they are the rows themselves.
struct OwnRow {};

// Moves both references, and scales what was summed relative to the other one.
SOUL_DEVICE void Rescale(DivergenceFigures* figures, bool is_target, float shift, float other_shift) {
  const auto factor = static_cast<double>(Exp(other_shift));
  figures->sum *= static_cast<double>(Exp(shift));
  figures->other_sum *= factor;
  // Terms that now weigh nothing are gone, infinite ones too.
  figures->terms = factor > 0 ? figures->terms * factor : 0;
  // Before the first token there is nothing to move.
  if (figures->other_sum > 0) {
    figures->terms += figures->other_sum *
                      ((is_target ? 0 : static_cast<double>(other_shift)) - static_cast<double>(shift));
  }
}

SOUL_DEVICE DivergenceFigures NoDivergence() {
  return {kNoReference, kNoReference, 0, 0, 0};
}

// What the lanes of a warp found, together, in each of them.
SOUL_DEVICE DivergenceFigures MergeInWarp(DivergenceFigures figures, bool is_target) {
  const float reference = WarpLargest(figures.reference);
  const float other_reference = WarpLargest(figures.other_reference);
  Rescale(&figures, is_target, figures.reference - reference, figures.other_reference - other_reference);
  return {reference, other_reference, WarpSum(figures.sum), WarpSum(figures.other_sum),
          WarpSum(figures.terms)};
}

// What this warp finds in its share of a part, in each lane.
template <typename Element, typename OtherElement>
SOUL_DEVICE DivergenceFigures DivergenceOfShare(const DivergenceParameters& parameters, int64_t index,
                                                int32_t part) {
  const auto* const row = RowOf<Element>(parameters.rows, index);
  const auto vocabulary = static_cast<uint32_t>(parameters.rows.vocabulary);
  const uint32_t label = ShiftedLabel(parameters.shifted, index);
  const bool is_target = parameters.is_target;
  DivergenceFigures figures = NoDivergence();
  ForTiles(parameters.split, part, [&](int32_t tile) {
    const TokenPlace place = PlaceInTile(row, vocabulary, tile);
    float values[kTokens], others[kTokens];
    LoadTile(row, vocabulary, place, true, values);
    if constexpr (std::is_same_v<OtherElement, OwnRow>) {
#pragma unroll
      for (int i = 0; i < kTokens; ++i) others[i] = values[i];
    } else {
      const auto* const other_row = RowOf<OtherElement>(parameters.reference, index);
      LoadTile(other_row, vocabulary, place, MissingBefore(row) == MissingBefore(other_row), others);
    }
    Shift(place, label, parameters.shifted.by, others);
    const float shift = Rise(LargestOf(values), &figures.reference);
    const float other_shift = Rise(LargestOf(others), &figures.other_reference);
    if (shift < 0.0f || other_shift < 0.0f) Rescale(&figures, is_target, shift, other_shift);

    float exponentials[kTokens];
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      exponentials[i] = ExpOfDifference(Difference(values[i], figures.reference));
    }
    figures.sum += static_cast<double>(SumOf(exponentials));
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      exponentials[i] = ExpOfDifference(Difference(others[i], figures.other_reference));
      const float d = values[i] - figures.reference;
      others[i] = is_target ? CrossEntropyTerm(exponentials[i], d)
                            : DivergenceTerm(exponentials[i], others[i] - figures.other_reference, d);
    }
    figures.other_sum += static_cast<double>(SumOf(exponentials));
    figures.terms += static_cast<double>(SumOf(others));
  });
  return MergeInWarp(figures, is_target);
}

// Writes what was asked for of a row; one thread does.
SOUL_DEVICE void WriteDivergence(const DivergenceParameters& parameters, int64_t index,
                                 const DivergenceFigures& figures) {
  const float log_sum = LogOfSum(figures.sum), other_log_sum = LogOfSum(figures.other_sum);
  if (parameters.divergence != nullptr) {
    const auto value = static_cast<float>(
        figures.terms / figures.other_sum +
        (static_cast<double>(log_sum) - (parameters.is_target ? 0 : static_cast<double>(other_log_sum))));
    // Rounding may leave a value of nothing just below 0.
    parameters.divergence[index] = value < 0.0f ? 0.0f : value;
  }
  if (parameters.log_sum_exp != nullptr) parameters.log_sum_exp[index] = figures.reference + log_sum;
  if (parameters.reference_log_sum_exp != nullptr) {
    parameters.reference_log_sum_exp[index] = figures.other_reference + other_log_sum;
  }
  if (parameters.label_probability != nullptr) {
    const float logit = LogitOf(parameters.rows, index, parameters.shifted.labels[index]);
    const float by = parameters.shifted.by;
    parameters.label_probability[index] = by > 0.0f
                                              ? Exp(((logit + by) - figures.other_reference) - other_log_sum)
                                              : Exp((logit - figures.reference) - log_sum);
  }
}

template <typename Element, typename OtherElement>
SOUL_DEVICE void ScoreDivergence(const DivergenceParameters& parameters) {
  SOUL_SHARED(DivergenceFigures, warps, kMostThreads / kWarp);
  const int32_t warp = ThreadIndex() / kWarp, lane = ThreadIndex() % kWarp;
  ForParts(parameters.split, [&](int64_t index, int32_t part) {
    const DivergenceFigures share = DivergenceOfShare<Element, OtherElement>(parameters, index, part);
    Barrier();  // what the row before left has been read
    if (lane == 0) warps[warp] = share;
    Barrier();
    if (warp != 0) return;
    const DivergenceFigures figures =
        MergeInWarp(lane < ThreadCount() / kWarp ? warps[lane] : NoDivergence(), parameters.is_target);
    if (lane != 0) return;
    if (parameters.split.parts > 1) {
      parameters.figures[index * parameters.split.parts + part] = figures;
    } else {
      WriteDivergence(parameters, index, figures);
    }
  });
}

// Puts the parts of rows together.
SOUL_DEVICE void FinishDivergence(const DivergenceParameters& parameters) {
  const int32_t lane = ThreadIndex() % kWarp, parts = parameters.split.parts;
  ForRowsOfWarp(parameters.rows.rows, [&](int64_t index) {
    const DivergenceFigures figures = MergeInWarp(
        lane < parts ? parameters.figures[index * parts + lane] : NoDivergence(), parameters.is_target);
    if (lane == 0) WriteDivergence(parameters, index, figures);
  });
}

}  // namespace soul
