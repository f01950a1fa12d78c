// Elements of one dtype as elements of another.

namespace soul::SOUL_PATH {
namespace {

template <typename Source, typename Target>
void CastBlock(const typename Source::Element* __restrict source, typename Target::Element* __restrict target,
               RandomKey key, uint32_t first, int32_t length) {
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t random = Target::kRandom ? RoundingBits(key, first + static_cast<uint32_t>(i)) : 0;
    target[i] = Target::Round(Source::Load(source[i]), random);
  }
}

template <typename Source, typename Target>
void CastOf(const Elements& source, const Elements& target, const Rounding& rounding, int64_t begin,
            int64_t end) {
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    CastBlock<Source, Target>(At<typename Source::Element>(source, from),
                              At<typename Target::Element>(target, from),
                              BlockKey(rounding, Purpose::kCast, from), static_cast<uint32_t>(from), length);
  });
}

void Cast(const Elements& source, const Elements& target, const Rounding& rounding, int64_t begin,
          int64_t end) {
  if (target.dtype == DType::kFloat32) {
    CastOf<BFloat16Nearest, Float32>(source, target, rounding, begin, end);
  } else if (rounding.stochastic) {
    CastOf<Float32, BFloat16Stochastic>(source, target, rounding, begin, end);
  } else {
    CastOf<Float32, BFloat16Nearest>(source, target, rounding, begin, end);
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
