// The divergence of two rows of logits, and their cross-entropy where the second is a target whose label's
// logit is shifted; and the gradients of both.

namespace soul::SOUL_PATH {
namespace {

struct Divergence {
  float value;
  ExponentialSum own, other;

  float LogSumExp() const { return own.reference + own.LogSum(); }
  float OtherLogSumExp() const { return other.reference + other.LogSum(); }
};

// What is compared with a row: another row, or the row itself, as it lies or with one logit shifted.
struct ComparedRow {
  Elements logits;
  bool own = false;
  bool is_target = false;  // the cross-entropy is asked for, without the entropy of what is compared with
  int64_t label = -1;      // none is shifted
  float shift = 0.0f;

  // Elements [begin, begin + length); `x` are those of the row that this is compared with.
  const float* Block(int64_t begin, int32_t length, const float* x, float* room) const {
    const float* const y = own ? x : FloatsOf(logits, begin, length, room);
    if (label < begin || label >= begin + length) return y;
    if (y != room) {
      for (int32_t i = 0; i < length; ++i) room[i] = y[i];
    }
    room[label - begin] += shift;
    return room;
  }
};

Divergence DivergenceOfRow(const Elements& logits, const ComparedRow& compared, int64_t vocabulary) {
  ExponentialSum own, other;
  double terms =
      0;  // of p * (log p - log q), p what is compared with, or of -p * log q; without the log sums
  BlockOfTerms block, products;
  alignas(64) float room[kBlock], other_room[kBlock];
  ForBlocks(0, vocabulary, [&](int64_t begin, int32_t length) {
    const float* __restrict x = FloatsOf(logits, begin, length, room);
    const float* __restrict y = compared.Block(begin, length, x, other_room);
    float shift, other_shift;
    own.Rise(LargestOf(x, length), &shift);
    const double factor = other.Rise(LargestOf(y, length), &other_shift);
    // Terms that now weigh nothing are gone, infinite ones too.
    terms = factor > 0 ? terms * factor : 0;
    // Before the first token there is nothing to move.
    if (other.sum > 0) {
      terms += other.sum * ((compared.is_target ? 0 : static_cast<double>(other_shift)) - shift);
    }

    Exponentials(x, length, own.reference, &block);
    own.sum += block.Sum(length);
    if (y != x || own.reference != other.reference) Exponentials(y, length, other.reference, &block);
    other.sum += block.Sum(length);
    const float* __restrict e = block.terms;
    const float p = other.reference, q = own.reference;
    if (compared.is_target) {
      products.Fill(length, [=](int32_t i) { return CrossEntropyTerm(e[i], x[i] - q); });
    } else {
      products.Fill(length, [=](int32_t i) { return DivergenceTerm(e[i], y[i] - p, x[i] - q); });
    }
    terms += products.Sum(length);
  });
  const double own_part = compared.is_target ? 0 : other.LogSum();
  const float value = static_cast<float>(terms / other.sum + (static_cast<double>(own.LogSum()) - own_part));
  // Rounding may leave a value of nothing just below 0.
  return {value < 0.0f ? 0.0f : value, own, other};
}

void ScoreDivergence(const SoulTokenRows* rows, const SoulTokenRows* reference, float* divergence,
                     float* log_sum_exp, float* reference_log_sum_exp) {
  for (int64_t row = 0; row < rows->rows; ++row) {
    const ComparedRow compared{.logits = RowOf(*reference, row)};
    const Divergence found = DivergenceOfRow(RowOf(*rows, row), compared, rows->vocabulary);
    if (divergence != nullptr) divergence[row] = found.value;
    if (log_sum_exp != nullptr) log_sum_exp[row] = found.LogSumExp();
    if (reference_log_sum_exp != nullptr) reference_log_sum_exp[row] = found.OtherLogSumExp();
  }
}

ComparedRow TargetOf(const SoulTokenRows& rows, const SoulTokenRows* reference, const SoulTokenTarget& target,
                     float shift, int64_t row) {
  return {.logits = RowOf(reference == nullptr ? rows : *reference, row),
          .own = reference == nullptr,
          .is_target = true,
          .label = target.labels[row],
          .shift = shift};
}

void ScoreTarget(const SoulTokenRows* rows, const SoulTokenRows* reference, const SoulTokenTarget* target,
                 float* cross_entropy) {
  const float shift = ShiftOf(*target).by;
  for (int64_t row = 0; row < rows->rows; ++row) {
    const Elements logits = RowOf(*rows, row);
    const ComparedRow compared = TargetOf(*rows, reference, *target, shift, row);
    const Divergence found = DivergenceOfRow(logits, compared, rows->vocabulary);
    cross_entropy[row] = found.value;
    target->log_sum_exp[row] = found.LogSumExp();
    target->target_log_sum_exp[row] = found.OtherLogSumExp();
    if (reference != nullptr) continue;
    const float logit = FloatAt(logits, compared.label);
    target->label_probability[row] =
        shift > 0.0f ? Exp(((logit + shift) - found.other.reference) - found.other.LogSum())
                     : Exp((logit - found.own.reference) - found.own.LogSum());
  }
}

void DivergenceGradientRow(const Elements& logits, const ComparedRow& compared, int64_t vocabulary,
                           float weight, float log_sum_exp, float reference_log_sum_exp) {
  BlockOfTerms block, other;
  alignas(64) float room[kBlock], other_room[kBlock];
  ForBlocks(0, vocabulary, [&](int64_t begin, int32_t length) {
    const float* const x = FloatsOf(logits, begin, length, room);
    Exponentials(x, length, log_sum_exp, &block);
    Exponentials(compared.Block(begin, length, x, other_room), length, reference_log_sum_exp, &other);
    const float *const q = block.terms, *const p = other.terms;
    StoreBlock(logits, begin, length, [=](int32_t i) { return weight * (q[i] - p[i]); });
  });
}

void DivergenceGradient(const SoulTokenRows* rows, const SoulTokenRows* reference, const float* weights,
                        const float* log_sum_exp, const float* reference_log_sum_exp) {
  for (int64_t row = 0; row < rows->rows; ++row) {
    const ComparedRow compared{.logits = RowOf(*reference, row)};
    DivergenceGradientRow(RowOf(*rows, row), compared, rows->vocabulary, weights[row], log_sum_exp[row],
                          reference_log_sum_exp[row]);
  }
}

void TargetGradient(const SoulTokenRows* rows, const SoulTokenRows* reference, const SoulTokenTarget* target,
                    const float* weights) {
  const LabelShift shift = ShiftOf(*target);
  for (int64_t row = 0; row < rows->rows; ++row) {
    const Elements logits = RowOf(*rows, row);
    if (reference != nullptr) {
      DivergenceGradientRow(logits, TargetOf(*rows, reference, *target, shift.by, row), rows->vocabulary,
                            weights[row], target->log_sum_exp[row], target->target_log_sum_exp[row]);
    } else {
      const float* const sums = shift.by > 0.0f ? target->log_sum_exp : target->target_log_sum_exp;
      GradientRow(logits, rows->vocabulary, target->labels[row],
                  weights[row] * OwnTargetFactor(target->label_probability[row], shift.factor), sums[row]);
    }
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
