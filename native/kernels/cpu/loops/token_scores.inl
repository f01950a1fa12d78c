// Token losses over rows of logits, and their gradient (runtime/interface.h says what each figure is).

namespace soul::SOUL_PATH {
namespace {

// Mean and variance of d = logit - reference under the softmax, merged block by block (Chan, Golub and
// LeVeque, 1979).
struct Moments {
  double weight = 0;
  double mean = 0;
  double spread = 0;

  SOUL_HOST_DEVICE void Rescale(double factor, float shift) {
    weight *= factor;
    spread *= factor;
    mean += static_cast<double>(shift);
  }

  void Add(const float* __restrict logits, int32_t length, const BlockOfTerms& exponentials, double sum,
           float reference) {
    if (sum == 0) return;
    BlockOfTerms block;
    const float* __restrict e = exponentials.terms;
    block.Fill(length, [=](int32_t i) { return WeightedTerm(e[i], logits[i] - reference); });
    const double block_mean = block.Sum(length) / sum;
    const float center = static_cast<float>(block_mean);
    block.Fill(length, [=](int32_t i) { return SpreadTerm(e[i], logits[i] - reference, center); });
    const double block_spread = block.Sum(length);
    if (weight == 0) {
      *this = {sum, block_mean, block_spread};
      return;
    }
    const double total = weight + sum;
    const double distance = block_mean - mean;
    mean += distance * (sum / total);
    spread += block_spread + distance * distance * (weight * (sum / total));
    weight = total;
  }
};

// `from` is where the first block that holds the maximum begins.
bool IsFirstMaximum(const Elements& logits, int32_t label, float maximum, int64_t from) {
  if (FloatAt(logits, label) != maximum) return false;
  for (int64_t i = from; i < label; ++i) {
    if (FloatAt(logits, i) == maximum) return false;
  }
  return true;
}

void ScoreRow(const Elements& logits, int64_t vocabulary, const SoulTokenScores& scores, int64_t row) {
  const bool needs_moments = scores.mean_log_p != nullptr || scores.variance_log_p != nullptr;
  const bool samples = scores.sampled_labels != nullptr;
  LabelDraw draw(KeyOf(scores.sample_seed, scores.first_row + static_cast<uint64_t>(row)));
  ExponentialSum total;
  Moments moments;
  float maximum = -Infinity();
  int64_t first_maximum = 0;
  BlockOfTerms block;
  alignas(64) float room[kBlock];
  ForBlocks(0, vocabulary, [&](int64_t begin, int32_t length) {
    const float* const part = FloatsOf(logits, begin, length, room);
    const float largest = LargestOf(part, length);
    if (largest > maximum) {
      maximum = largest;
      first_maximum = begin;
    }
    float shift;
    const double factor = total.Rise(largest, &shift);
    Exponentials(part, length, total.reference, &block);
    const double sum = block.Sum(length);
    if (samples) draw.Add(part, begin, length, block.terms, total.reference);
    if (needs_moments) {
      moments.Rescale(factor, shift);
      moments.Add(part, length, block, sum, total.reference);
    }
    total.sum += sum;
  });

  const float log_sum = total.LogSum();
  if (scores.log_sum_exp != nullptr) scores.log_sum_exp[row] = total.reference + log_sum;
  if (scores.mean_log_p != nullptr) scores.mean_log_p[row] = static_cast<float>(moments.mean) - log_sum;
  if (scores.variance_log_p != nullptr)
    scores.variance_log_p[row] = static_cast<float>(moments.spread / total.sum);
  if (samples) scores.sampled_labels[row] = draw.label();
  if (!samples && scores.labels == nullptr) return;
  const int32_t label = samples ? draw.label() : scores.labels[row];
  // Not log_sum_exp - logit: that would round away the small loss of a token that is nearly certain.
  if (scores.nll != nullptr) scores.nll[row] = (total.reference - FloatAt(logits, label)) + log_sum;
  if (scores.is_argmax != nullptr)
    scores.is_argmax[row] = IsFirstMaximum(logits, label, maximum, first_maximum) ? 1 : 0;
}

void ScoreTokens(const SoulTokenRows* rows, const SoulTokenScores* scores) {
  for (int64_t row = 0; row < rows->rows; ++row) {
    ScoreRow(RowOf(*rows, row), rows->vocabulary, *scores, row);
  }
}

void GradientRow(const Elements& logits, int64_t vocabulary, int32_t label, float weight, float log_sum_exp) {
  BlockOfTerms block;
  alignas(64) float room[kBlock];
  // p(label) - 1 is minus the sum of all others, and as that sum keeps its digits when p(label) is nearly 1.
  double others = 0;
  const float label_term = TokenProbability(-Infinity(), log_sum_exp);  // 0, or NaN as everywhere in the row
  ForBlocks(0, vocabulary, [&](int64_t begin, int32_t length) {
    Exponentials(FloatsOf(logits, begin, length, room), length, log_sum_exp, &block);
    const float* const p = block.terms;
    StoreBlock(logits, begin, length, [=](int32_t i) { return weight * p[i]; });
    if (label >= begin && label < begin + length) block.terms[label - begin] = label_term;
    others += block.Sum(length);
  });
  const float entry = -(weight * static_cast<float>(others));
  StoreBlock(logits, label, 1, [=](int32_t) { return entry; });
}

void TokenGradient(const SoulTokenRows* rows, const int32_t* labels, const float* weights,
                   const float* log_sum_exp) {
  for (int64_t row = 0; row < rows->rows; ++row) {
    GradientRow(RowOf(*rows, row), rows->vocabulary, labels[row], weights[row], log_sum_exp[row]);
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
