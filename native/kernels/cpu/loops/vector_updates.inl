// Updates of vectors by a rule, rounded to the dtype of what is written.

namespace soul::SOUL_PATH {
namespace {

// Calls work(Storage()) with how elements of a dtype are stored: `work` is a generic lambda.
template <typename Work>
SOUL_HOST_DEVICE void WithElements(DType dtype, bool stochastic, const Work& work) {
  if (dtype == DType::kFloat32) return work(Float32());
  return stochastic ? work(BFloat16Stochastic()) : work(BFloat16Nearest());
}

template <typename Storage>
SOUL_HOST_DEVICE uint32_t BitsToRound(RandomKey key, uint32_t element) {
  return Storage::kRandom ? RoundingBits(key, element) : 0;
}

// y <- rule(x, y); x may be y.
template <typename X, typename Y, typename Rule>
void CombineBlock(Rule rule, const typename X::Element* x, typename Y::Element* y, RandomKey key,
                  uint32_t first, int32_t length) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t random = BitsToRound<Y>(key, first + static_cast<uint32_t>(i));
    y[i] = Y::Round(rule(X::Load(x[i]), Y::Load(y[i])), random);
  }
}

// The same for an even number of elements, all bfloat16.
template <typename Y, typename Rule>
void CombinePairs(Rule rule, const Pair* x, Pair* y, RandomKey key, uint32_t first, int32_t pairs) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < pairs; ++i) {
    const uint32_t element = first + 2 * static_cast<uint32_t>(i);
    const uint32_t source = x[i];
    const uint32_t target = y[i];
    y[i] = PairOf<Y>(rule(First(source), First(target)), rule(Second(source), Second(target)),
                     BitsToRound<Y>(key, element), BitsToRound<Y>(key, element + 1));
  }
}

template <typename X, typename Y, typename Rule>
void CombineOf(Rule rule, const Elements& x, const Elements& y, RandomKey key, int64_t from, int32_t length) {
  int32_t done = 0;
  if constexpr (!std::is_same_v<X, Float32> && !std::is_same_v<Y, Float32>) {
    CombinePairs<Y>(rule, PairsAt(x, from), PairsAt(y, from), key, static_cast<uint32_t>(from), length / 2);
    done = length / 2 * 2;
  }
  CombineBlock<X, Y>(rule, At<typename X::Element>(x, from + done), At<typename Y::Element>(y, from + done),
                     key, static_cast<uint32_t>(from + done), length - done);
}

template <typename Rule>
void Combine(Rule rule, const Elements& x, const Elements& y, const Rounding& rounding, int64_t begin,
             int64_t end) {
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    const RandomKey key = BlockKey(rounding, Purpose::kCast, from);
    WithElements(y.dtype, rounding.stochastic, [&]<typename Y>(Y) {
      WithElements(x.dtype, false, [&]<typename X>(X) { CombineOf<X, Y>(rule, x, y, key, from, length); });
    });
  });
}

void AddScaled(float alpha, const Elements& x, const Elements& y, const Rounding& rounding, int64_t begin,
               int64_t end) {
  Combine(AddScaledRule{alpha}, x, y, rounding, begin, end);
}

void AddSign(float alpha, const Elements& x, const Elements& y, const Rounding& rounding, int64_t begin,
             int64_t end) {
  Combine(AddSignRule{alpha}, x, y, rounding, begin, end);
}

// y <- rule(y); elements whose word in `frozen` is ones stay.
template <typename Y, bool kSomeFrozen, typename Rule>
void UpdateBlock(Rule rule, typename Y::Element* y, const uint32_t* frozen, RandomKey key, uint32_t first,
                 int32_t length) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const typename Y::Element old = y[i];
    const typename Y::Element updated =
        Y::Round(rule(Y::Load(old)), BitsToRound<Y>(key, first + static_cast<uint32_t>(i)));
    if constexpr (kSomeFrozen) {
      y[i] = Stay(old, updated, frozen[i]);
    } else {
      y[i] = updated;
    }
  }
}

template <typename Y, typename Rule>
void UpdatePairs(Rule rule, Pair* y, RandomKey key, uint32_t first, int32_t pairs) {
  for (int32_t i = 0; i < pairs; ++i) {
    const uint32_t element = first + 2 * static_cast<uint32_t>(i);
    const uint32_t pair = y[i];
    y[i] = PairOf<Y>(rule(First(pair)), rule(Second(pair)), BitsToRound<Y>(key, element),
                     BitsToRound<Y>(key, element + 1));
  }
}

template <typename Y, typename Rule>
void UpdateOf(Rule rule, const Elements& y, RandomKey key, int64_t from, int32_t length) {
  int32_t done = 0;
  if constexpr (!std::is_same_v<Y, Float32>) {
    UpdatePairs<Y>(rule, PairsAt(y, from), key, static_cast<uint32_t>(from), length / 2);
    done = length / 2 * 2;
  }
  UpdateBlock<Y, false>(rule, At<typename Y::Element>(y, from + done), nullptr, key,
                        static_cast<uint32_t>(from + done), length - done);
}

void Scale(float factor, const Elements& y, const Rounding& rounding, int64_t begin, int64_t end) {
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    const RandomKey key = BlockKey(rounding, Purpose::kCast, from);
    WithElements(y.dtype, rounding.stochastic,
                 [&]<typename Y>(Y) { UpdateOf<Y>(ScaleRule{factor}, y, key, from, length); });
  });
}

void SoftThreshold(float by, const Elements& y, FrozenMask mask, const Rounding& rounding, int64_t begin,
                   int64_t end) {
  const SoftThresholdRule rule{by};
  FrozenBlock block;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    const Frozen frozen = block.Read(mask, from, length);
    if (frozen == Frozen::kAll) return;
    const RandomKey key = BlockKey(rounding, Purpose::kCast, from);
    WithElements(y.dtype, rounding.stochastic, [&]<typename Y>(Y) {
      if (frozen == Frozen::kNone) return UpdateOf<Y>(rule, y, key, from, length);
      UpdateBlock<Y, true>(rule, At<typename Y::Element>(y, from), block.words(), key,
                           static_cast<uint32_t>(from), length);
    });
  });
}

}  // namespace
}  // namespace soul::SOUL_PATH
