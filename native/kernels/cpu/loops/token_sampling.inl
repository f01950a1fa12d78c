// A label drawn from softmax(logits): the first token with the largest Gumbel score.
//
// A score takes two logarithms. Almost all are spared by a test that no winner fails. Let E be a token's
// exponential and e = exp(logit - reference). Its score, logit - log E, is no less than the best known one
// only if E <= e * exp(reference - best), and E = -log(1 - v) >= v for the uniform number v that it is made
// of; so v / e must not exceed exp(reference - best). As computed, both sides are wrong by a factor near 1:
// what the score's own rounding adds grows with the logits, the rest is below 2^-14; `Limit` leaves four
// times that. Since E lies in [2^-33, 22.9], the scores' spread is 26.1 and a winner's e no less than e^-33,
// however coarse the scores are: that e underflows for other tokens does no harm.

namespace soul::SOUL_PATH {
namespace {

class LabelDraw {
 public:
  SOUL_HOST_DEVICE explicit LabelDraw(RandomKey key) : key_(key) {}

  // Draws from a block too, of the elements [begin, begin + length); `exponentials` are its logits' relative
  // to `reference`, the row's ExponentialSum so far.
  void Add(const float* logits, int64_t begin, int32_t length, const float* __restrict exponentials,
           float reference) {
    if (best_ == Infinity()) return;
    if (reference == Infinity()) {
      for (int32_t i = 0; i < length; ++i) Consider(logits[i], begin + i);
      return;
    }
    // Bits of v / e * 2^31: floats that are not negative are ordered as their bits, and NaN comes last.
    alignas(64) uint32_t ratios[kBlock];
    uint32_t smallest[kBlock / kGroup];
    uint32_t smallest_of_all = ~0u;
    const RandomKey key = key_;
    for (int32_t from = 0; from < length; from += kGroup) {
      const int32_t to = from + kGroup < length ? from + kGroup : length;
      uint32_t least = ~0u;
      for (int32_t i = from; i < to; ++i) {
        const uint32_t bits = RandomBits(key, static_cast<uint32_t>(begin) + static_cast<uint32_t>(i));
        const uint32_t ratio =
            FloatBits(static_cast<float>(static_cast<int32_t>(bits >> 1)) / exponentials[i]);
        ratios[i] = ratio;
        least = ratio < least ? ratio : least;
      }
      smallest[from / kGroup] = least;
      smallest_of_all = least < smallest_of_all ? least : smallest_of_all;
    }
    if (smallest_of_all > Limit(reference)) return;
    // The likeliest winner first, for a limit that few others meet.
    for (int pass = 0; pass < 2; ++pass) {
      const uint32_t limit = pass == 0 ? smallest_of_all : Limit(reference);
      for (int32_t from = 0; from < length; from += kGroup) {
        if (smallest[from / kGroup] > limit) continue;
        const int32_t to = from + kGroup < length ? from + kGroup : length;
        for (int32_t i = from; i < to; ++i) {
          if (ratios[i] <= limit) Consider(logits[i], begin + i);
        }
      }
    }
  }

  SOUL_HOST_DEVICE int32_t label() const { return static_cast<int32_t>(label_); }

 private:
  static constexpr int32_t kGroup = 128;

  void Consider(float logit, int64_t token) {
    const float score = GumbelScore(logit, RandomBits(key_, static_cast<uint32_t>(token)));
    if (!(score > best_ || (score == best_ && token < label_))) return;
    best_ = score;
    label_ = token;
  }

  // The largest ratio, as its bits, that a winner can have. It is finite, so that masked tokens exceed it.
  SOUL_HOST_DEVICE uint32_t Limit(float reference) const {
    const double magnitude = reference < 0.0f ? -static_cast<double>(reference) : reference;
    const double slack = 0x1p-12 + 0x1p-22 * magnitude;
    const float distance = static_cast<float>(static_cast<double>(reference) - best_ + slack);
    const uint32_t limit = FloatBits(Exp(distance) * 0x1p31f);
    return limit < 0x7f7fffffu ? limit : 0x7f7fffffu;
  }

  RandomKey key_;
  float best_ = -Infinity();
  int64_t label_ = 0;
};

}  // namespace
}  // namespace soul::SOUL_PATH
