#include "token_losses.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "device_turn.h"

namespace soul {
namespace {

using at::Tensor;

SoulTokenRows AllRowsOf(const Tensor& logits) {
  return RowsOf(logits, 0, logits.size(0));
}

template <typename Element>
Element* From(Element* array, int64_t first) {
  return array ? array + first : nullptr;
}

// The figures of the rows from `first` on.
SoulTokenScores ScoresFrom(const SoulTokenScores& scores, int64_t first) {
  return {From(scores.log_sum_exp, first),
          From(scores.nll, first),
          From(scores.is_argmax, first),
          From(scores.mean_log_p, first),
          From(scores.variance_log_p, first),
          From(scores.labels, first),
          From(scores.sampled_labels, first),
          scores.sample_seed,
          scores.first_row + static_cast<uint64_t>(first)};
}

// The target of the rows from `first` on.
SoulTokenTarget TargetFrom(const SoulTokenTarget& target, int64_t first) {
  return {From(target.labels, first), target.shift, From(target.log_sum_exp, first),
          From(target.target_log_sum_exp, first), From(target.label_probability, first)};
}

// Rows of a reference, where there is one.
struct ReferenceRows {
  SoulTokenRows rows{};
  bool defined = false;

  ReferenceRows(const Tensor& reference, int64_t first, int64_t last) : defined(reference.defined()) {
    if (defined) rows = RowsOf(reference, first, last);
  }
  const SoulTokenRows* get() const { return defined ? &rows : nullptr; }
};

const int32_t* LabelsOf(const SoulTokenScores& scores) {
  return scores.sampled_labels ? scores.sampled_labels : scores.labels;
}

}  // namespace

SoulTokenRows RowsOf(const Tensor& logits, int64_t first, int64_t last) {
  const int64_t vocabulary = logits.size(1);
  const uint32_t dtype = logits.scalar_type() == at::kFloat ? SOUL_FLOAT32 : SOUL_BFLOAT16;
  const auto begin = static_cast<size_t>(first * vocabulary) * logits.element_size();
  return {static_cast<char*>(logits.data_ptr()) + begin, last - first, vocabulary, vocabulary, dtype};
}

void ForRows(int64_t rows, int64_t vocabulary, const std::function<void(int64_t, int64_t)>& work) {
  constexpr int64_t kGrain = 32768;  // elements that are worth a thread, as in libtorch's own loops
  at::parallel_for(0, rows, std::max<int64_t>(1, kGrain / vocabulary), work);
}

void* TokenLosses::Stream() const {
  return CurrentStream(place_.ordinal);
}

void TokenLosses::Score(const Tensor& logits, const SoulTokenScores& scores) const {
  if (place_.on_device()) {
    const SoulTokenRows rows = AllRowsOf(logits);
    Check(table_->score_tokens_on_device(table_->dispatcher, place_.ordinal, Stream(), &rows, &scores));
    return;
  }
  ForRows(logits.size(0), logits.size(1), [&](int64_t first, int64_t last) {
    const SoulTokenRows rows = RowsOf(logits, first, last);
    const SoulTokenScores part = ScoresFrom(scores, first);
    table_->score_tokens(&rows, &part);
  });
}

void TokenLosses::Gradient(const Tensor& logits, const int32_t* labels, const float* weights,
                           const float* log_sum_exp) const {
  if (place_.on_device()) {
    const SoulTokenRows rows = AllRowsOf(logits);
    Check(table_->token_gradient_on_device(table_->dispatcher, place_.ordinal, Stream(), &rows, labels,
                                           weights, log_sum_exp));
    return;
  }
  ForRows(logits.size(0), logits.size(1), [&](int64_t first, int64_t last) {
    const SoulTokenRows rows = RowsOf(logits, first, last);
    table_->token_gradient(&rows, labels + first, weights + first, log_sum_exp + first);
  });
}

void TokenLosses::ScoreAndGradient(const Tensor& logits, const SoulTokenScores& scores,
                                   const float* weights) const {
  if (place_.on_device()) {
    Score(logits, scores);
    Gradient(logits, LabelsOf(scores), weights, scores.log_sum_exp);
    return;
  }
  ForRows(logits.size(0), logits.size(1), [&](int64_t first, int64_t last) {
    // Row by row: the gradient finds in a near cache what the score has just read.
    for (int64_t i = first; i < last; ++i) {
      const SoulTokenRows row = RowsOf(logits, i, i + 1);
      const SoulTokenScores own = ScoresFrom(scores, i);
      table_->score_tokens(&row, &own);
      table_->token_gradient(&row, LabelsOf(own), weights + i, own.log_sum_exp);
    }
  });
}

void TokenLosses::ScoreDivergence(const Tensor& logits, const Tensor& reference,
                                  const DivergenceFigures& figures) const {
  if (place_.on_device()) {
    const SoulTokenRows rows = AllRowsOf(logits), other = AllRowsOf(reference);
    Check(table_->score_divergence_on_device(table_->dispatcher, place_.ordinal, Stream(), &rows, &other,
                                             figures.divergence, figures.log_sum_exp,
                                             figures.reference_log_sum_exp));
    return;
  }
  ForRows(logits.size(0), logits.size(1), [&](int64_t first, int64_t last) {
    const SoulTokenRows rows = RowsOf(logits, first, last), other = RowsOf(reference, first, last);
    table_->score_divergence(&rows, &other, figures.divergence + first, figures.log_sum_exp + first,
                             figures.reference_log_sum_exp + first);
  });
}

void TokenLosses::DivergenceGradient(const Tensor& logits, const Tensor& reference, const float* weights,
                                     const DivergenceFigures& figures) const {
  if (place_.on_device()) {
    const SoulTokenRows rows = AllRowsOf(logits), other = AllRowsOf(reference);
    Check(table_->divergence_gradient_on_device(table_->dispatcher, place_.ordinal, Stream(), &rows, &other,
                                                weights, figures.log_sum_exp, figures.reference_log_sum_exp));
    return;
  }
  ForRows(logits.size(0), logits.size(1), [&](int64_t first, int64_t last) {
    const SoulTokenRows rows = RowsOf(logits, first, last), other = RowsOf(reference, first, last);
    table_->divergence_gradient(&rows, &other, weights + first, figures.log_sum_exp + first,
                                figures.reference_log_sum_exp + first);
  });
}

void TokenLosses::ScoreTarget(const Tensor& logits, const Tensor& reference, const SoulTokenTarget& target,
                              float* cross_entropy) const {
  if (place_.on_device()) {
    const SoulTokenRows rows = AllRowsOf(logits);
    const ReferenceRows other(reference, 0, logits.size(0));
    Check(table_->score_target_on_device(table_->dispatcher, place_.ordinal, Stream(), &rows, other.get(),
                                         &target, cross_entropy));
    return;
  }
  ForRows(logits.size(0), logits.size(1), [&](int64_t first, int64_t last) {
    const SoulTokenRows rows = RowsOf(logits, first, last);
    const ReferenceRows other(reference, first, last);
    const SoulTokenTarget own = TargetFrom(target, first);
    table_->score_target(&rows, other.get(), &own, cross_entropy + first);
  });
}

void TokenLosses::TargetGradient(const Tensor& logits, const Tensor& reference, const SoulTokenTarget& target,
                                 const float* weights) const {
  if (place_.on_device()) {
    const SoulTokenRows rows = AllRowsOf(logits);
    const ReferenceRows other(reference, 0, logits.size(0));
    Check(table_->target_gradient_on_device(table_->dispatcher, place_.ordinal, Stream(), &rows, other.get(),
                                            &target, weights));
    return;
  }
  ForRows(logits.size(0), logits.size(1), [&](int64_t first, int64_t last) {
    const SoulTokenRows rows = RowsOf(logits, first, last);
    const ReferenceRows other(reference, first, last);
    const SoulTokenTarget own = TargetFrom(target, first);
    table_->target_gradient(&rows, other.get(), &own, weights + first);
  });
}

}  // namespace soul
