// A vector and a multiple of normal numbers that are drawn as it is walked.

namespace soul::SOUL_PATH {
namespace {

// target <- source + factor * z, z 0 for elements whose word in `frozen` is ones; the source may be the
// target.
template <typename X, typename Y, Frozen kFrozen>
void AddNormalBlock(AddNormalRule rule, const NormalKey& normals, const typename X::Element* source,
                    typename Y::Element* target, const uint32_t* frozen, RandomKey key, uint32_t first,
                    int32_t length) {
  const NormalKey own = normals;
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t element = first + static_cast<uint32_t>(i);
    const float before = X::Load(source[i]);
    float after = before;
    if constexpr (kFrozen != Frozen::kAll) after = rule(before, StandardNormal(own, element));
    if constexpr (kFrozen == Frozen::kSome) {
      // Not a product with 0: that would make 0 of -0.
      after = FloatFromBits((FloatBits(before) & frozen[i]) | (FloatBits(after) & ~frozen[i]));
    }
    target[i] = Y::Round(after, BitsToRound<Y>(key, element));
  }
}

void AddNormal(float factor, const NormalDraws& draws, const Elements& source, const Elements& target,
               FrozenMask mask, const Rounding& rounding, int64_t begin, int64_t end) {
  const AddNormalRule rule{factor};
  FrozenBlock block;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    const Frozen frozen = block.Read(mask, from, length);
    const RandomKey key = BlockKey(rounding, Purpose::kCast, from);
    const NormalKey normals = KeyOfNormals(draws, static_cast<uint32_t>(from >> 32));
    WithElements(target.dtype, rounding.stochastic, [&]<typename Y>(Y) {
      WithElements(source.dtype, false, [&]<typename X>(X) {
        const auto run = [&](auto add) {
          add(rule, normals, At<typename X::Element>(source, from), At<typename Y::Element>(target, from),
              block.words(), key, static_cast<uint32_t>(from), length);
        };
        if (frozen == Frozen::kNone) return run(AddNormalBlock<X, Y, Frozen::kNone>);
        if (frozen == Frozen::kSome) return run(AddNormalBlock<X, Y, Frozen::kSome>);
        run(AddNormalBlock<X, Y, Frozen::kAll>);
      });
    });
  });
}

}  // namespace
}  // namespace soul::SOUL_PATH
