// y <- alpha * x + y and y <- factor * y, rounded to y's dtype.

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

// x may be y.
template <typename X, typename Y>
void AddScaledBlock(float alpha, const typename X::Element* x, typename Y::Element* y, RandomKey key,
                    uint32_t first, int32_t length) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t random = BitsToRound<Y>(key, first + static_cast<uint32_t>(i));
    y[i] = Y::Round(alpha * X::Load(x[i]) + Y::Load(y[i]), random);
  }
}

// The same for an even number of elements, all bfloat16.
template <typename Y>
void AddScaledPairs(float alpha, const Pair* x, Pair* y, RandomKey key, uint32_t first, int32_t pairs) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < pairs; ++i) {
    const uint32_t element = first + 2 * static_cast<uint32_t>(i);
    const uint32_t source = x[i];
    const uint32_t target = y[i];
    y[i] = PairOf<Y>(alpha * First(source) + First(target), alpha * Second(source) + Second(target),
                     BitsToRound<Y>(key, element), BitsToRound<Y>(key, element + 1));
  }
}

template <typename X, typename Y>
void AddScaledOf(float alpha, const Elements& x, const Elements& y, RandomKey key, int64_t from,
                 int32_t length) {
  int32_t done = 0;
  if constexpr (!std::is_same_v<X, Float32> && !std::is_same_v<Y, Float32>) {
    AddScaledPairs<Y>(alpha, PairsAt(x, from), PairsAt(y, from), key, static_cast<uint32_t>(from),
                      length / 2);
    done = length / 2 * 2;
  }
  AddScaledBlock<X, Y>(alpha, At<typename X::Element>(x, from + done),
                       At<typename Y::Element>(y, from + done), key, static_cast<uint32_t>(from + done),
                       length - done);
}

void AddScaled(float alpha, const Elements& x, const Elements& y, const Rounding& rounding, int64_t begin,
               int64_t end) {
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    const RandomKey key = BlockKey(rounding, Purpose::kCast, from);
    WithElements(y.dtype, rounding.stochastic, [&]<typename Y>(Y) {
      WithElements(x.dtype, false, [&]<typename X>(X) { AddScaledOf<X, Y>(alpha, x, y, key, from, length); });
    });
  });
}

template <typename Y>
void ScaleBlock(float factor, typename Y::Element* y, RandomKey key, uint32_t first, int32_t length) {
  for (int32_t i = 0; i < length; ++i) {
    y[i] = Y::Round(factor * Y::Load(y[i]), BitsToRound<Y>(key, first + static_cast<uint32_t>(i)));
  }
}

template <typename Y>
void ScalePairs(float factor, Pair* y, RandomKey key, uint32_t first, int32_t pairs) {
  for (int32_t i = 0; i < pairs; ++i) {
    const uint32_t element = first + 2 * static_cast<uint32_t>(i);
    const uint32_t pair = y[i];
    y[i] = PairOf<Y>(factor * First(pair), factor * Second(pair), BitsToRound<Y>(key, element),
                     BitsToRound<Y>(key, element + 1));
  }
}

void Scale(float factor, const Elements& y, const Rounding& rounding, int64_t begin, int64_t end) {
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    const RandomKey key = BlockKey(rounding, Purpose::kCast, from);
    WithElements(y.dtype, rounding.stochastic, [&]<typename Y>(Y) {
      int32_t done = 0;
      if constexpr (!std::is_same_v<Y, Float32>) {
        ScalePairs<Y>(factor, PairsAt(y, from), key, static_cast<uint32_t>(from), length / 2);
        done = length / 2 * 2;
      }
      ScaleBlock<Y>(factor, At<typename Y::Element>(y, from + done), key, static_cast<uint32_t>(from + done),
                    length - done);
    });
  });
}

}  // namespace
}  // namespace soul::SOUL_PATH
