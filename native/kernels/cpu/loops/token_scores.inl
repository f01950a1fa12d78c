// Token losses over rows of logits, and their gradient (runtime/interface.h says what each figure is).

namespace soul::SOUL_PATH {
namespace {

float Maximum(const float* logits, int64_t vocabulary) {
  float maximum = -Infinity();
  for (int64_t begin = 0; begin < vocabulary; begin += kBlock) {
    const int64_t end = begin + kBlock < vocabulary ? begin + kBlock : vocabulary;
    const BlockOfTerms block(begin, end, -Infinity(),
                             [=](int64_t i) __attribute__((always_inline)) { return logits[i]; });
    const float largest = block.Maximum();
    maximum = largest > maximum ? largest : maximum;
  }
  return maximum;
}

double SumExponentials(const float* logits, int64_t vocabulary, float maximum) {
  return SumInBlocks(vocabulary,
                     [=](int64_t i) __attribute__((always_inline)) { return Exp(logits[i] - maximum); });
}

double SumWeighted(const float* logits, int64_t vocabulary, float maximum) {
  return SumInBlocks(vocabulary, [=](int64_t i) __attribute__((always_inline)) {
    const float d = logits[i] - maximum;
    return WeightedTerm(Exp(d), d);
  });
}

double SumSpread(const float* logits, int64_t vocabulary, float maximum, float mean) {
  return SumInBlocks(vocabulary, [=](int64_t i) __attribute__((always_inline)) {
    const float d = logits[i] - maximum;
    return SpreadTerm(Exp(d), d, mean);
  });
}

// The first element with the largest Gumbel score.
int32_t SampleLabel(const float* logits, int64_t vocabulary, RandomKey key) {
  float best = -Infinity();
  int64_t label = 0;
  for (int64_t begin = 0; begin < vocabulary; begin += kBlock) {
    const int64_t end = begin + kBlock < vocabulary ? begin + kBlock : vocabulary;
    const BlockOfTerms scores(begin, end, -Infinity(), [=](int64_t i) __attribute__((always_inline)) {
      return GumbelScore(logits[i], RandomBits(key, static_cast<uint32_t>(i)));
    });
    const float largest = scores.Maximum();
    if (!(largest > best)) continue;
    best = largest;
    label = begin;
    while (scores.terms[label - begin] != largest) ++label;
  }
  return static_cast<int32_t>(label);
}

bool IsFirstMaximum(const float* logits, int32_t label, float maximum) {
  if (logits[label] != maximum) return false;
  for (int32_t i = 0; i < label; ++i) {
    if (logits[i] == maximum) return false;
  }
  return true;
}

// logits <- weight * p except at the label, which holds no more than its place; returns the sum of all other
// p.
double ProbabilitiesBesideLabel(float* logits, int64_t vocabulary, float weight, float log_sum_exp) {
  return SumInBlocks(vocabulary, [=](int64_t i) __attribute__((always_inline)) {
    const float p = TokenProbability(logits[i], log_sum_exp);
    logits[i] = weight * p;
    return p;
  });
}

void ScoreTokens(const SoulTokenRows* rows, const SoulTokenScores* scores) {
  for (int64_t row = 0; row < rows->rows; ++row) {
    const float* logits = rows->logits + row * rows->stride;
    const int64_t vocabulary = rows->vocabulary;
    const float maximum = Maximum(logits, vocabulary);
    const double sum = SumExponentials(logits, vocabulary, maximum);
    const float log_sum = Log(static_cast<float>(sum));
    if (scores->log_sum_exp != nullptr) scores->log_sum_exp[row] = maximum + log_sum;

    int32_t label = -1;
    if (scores->sampled_labels != nullptr) {
      const RandomKey key = KeyOf(scores->sample_seed, scores->first_row + static_cast<uint64_t>(row));
      label = SampleLabel(logits, vocabulary, key);
      scores->sampled_labels[row] = label;
    } else if (scores->labels != nullptr) {
      label = scores->labels[row];
    }
    if (label >= 0) {
      // Not log_sum_exp - logit: that would round away the small loss of a token that is nearly certain.
      if (scores->nll != nullptr) scores->nll[row] = (maximum - logits[label]) + log_sum;
      if (scores->is_argmax != nullptr)
        scores->is_argmax[row] = IsFirstMaximum(logits, label, maximum) ? 1 : 0;
    }

    if (scores->mean_log_p != nullptr || scores->variance_log_p != nullptr) {
      const double mean = SumWeighted(logits, vocabulary, maximum) / sum;
      if (scores->mean_log_p != nullptr) scores->mean_log_p[row] = static_cast<float>(mean) - log_sum;
      if (scores->variance_log_p != nullptr) {
        const double spread = SumSpread(logits, vocabulary, maximum, static_cast<float>(mean));
        scores->variance_log_p[row] = static_cast<float>(spread / sum);
      }
    }
  }
}

void TokenGradient(const SoulTokenRows* rows, const int32_t* labels, const float* weights,
                   const float* log_sum_exp) {
  for (int64_t row = 0; row < rows->rows; ++row) {
    float* logits = rows->logits + row * rows->stride;
    // p(label) - 1 is minus the sum of all others, and as that sum keeps its digits when p(label) is
    // nearly 1.
    logits[labels[row]] = -Infinity();
    const double others = ProbabilitiesBesideLabel(logits, rows->vocabulary, weights[row], log_sum_exp[row]);
    logits[labels[row]] = -(weights[row] * static_cast<float>(others));
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
