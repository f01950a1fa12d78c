// y <- alpha * x + y and y <- factor * y, rounded to y's dtype.

namespace soul::SOUL_PATH {
namespace {

// Calls work(Storage()) with how elements of a dtype are stored: `work` is a generic lambda.
template <typename Work>
SOUL_HOST_DEVICE void WithElements(DType dtype, bool stochastic, const Work& work) {
  if (dtype == DType::kFloat32) return work(Float32());
  return stochastic ? work(BFloat16Stochastic()) : work(BFloat16Nearest());
}

// x may be y.
template <typename X, typename Y>
void AddScaledBlock(float alpha, const typename X::Element* x, typename Y::Element* y, RandomKey key,
                    uint32_t first, int32_t length) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t random = Y::kRandom ? RoundingBits(key, first + static_cast<uint32_t>(i)) : 0;
    y[i] = Y::Round(alpha * X::Load(x[i]) + Y::Load(y[i]), random);
  }
}

void AddScaled(float alpha, const Elements& x, const Elements& y, const Rounding& rounding, int64_t begin,
               int64_t end) {
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    const RandomKey key = BlockKey(rounding, Purpose::kCast, from);
    WithElements(y.dtype, rounding.stochastic, [&]<typename Y>(Y) {
      WithElements(x.dtype, false, [&]<typename X>(X) {
        AddScaledBlock<X, Y>(alpha, At<typename X::Element>(x, from), At<typename Y::Element>(y, from), key,
                             static_cast<uint32_t>(from), length);
      });
    });
  });
}

template <typename Y>
void ScaleBlock(float factor, typename Y::Element* y, RandomKey key, uint32_t first, int32_t length) {
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t random = Y::kRandom ? RoundingBits(key, first + static_cast<uint32_t>(i)) : 0;
    y[i] = Y::Round(factor * Y::Load(y[i]), random);
  }
}

void Scale(float factor, const Elements& y, const Rounding& rounding, int64_t begin, int64_t end) {
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    const RandomKey key = BlockKey(rounding, Purpose::kCast, from);
    WithElements(y.dtype, rounding.stochastic, [&]<typename Y>(Y) {
      ScaleBlock<Y>(factor, At<typename Y::Element>(y, from), key, static_cast<uint32_t>(from), length);
    });
  });
}

}  // namespace
}  // namespace soul::SOUL_PATH
