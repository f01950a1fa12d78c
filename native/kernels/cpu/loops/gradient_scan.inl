// One read of a gradient: its norm, and whether every element is finite.

namespace soul::SOUL_PATH {
namespace {

template <typename Storage, bool kSomeFrozen>
SOUL_HOST_DEVICE int32_t NonFinite(const typename Storage::Element* gradients, const uint32_t* frozen,
                                   int32_t length) {
  int32_t count = 0;
  for (int32_t i = 0; i < length; ++i) {
    uint32_t bits = FloatBits(Storage::Load(gradients[i]));
    if constexpr (kSomeFrozen) bits &= ~frozen[i];
    count += (bits & 0x7f800000u) == 0x7f800000u ? 1 : 0;
  }
  return count;
}

int32_t NonFinitePairs(const Pair* pairs, int32_t count) {
  int32_t non_finite = 0;
  for (int32_t i = 0; i < count; ++i) {
    non_finite += (pairs[i] & 0x00007f80u) == 0x00007f80u ? 1 : 0;
    non_finite += (pairs[i] & 0x7f800000u) == 0x7f800000u ? 1 : 0;
  }
  return non_finite;
}

// Of elements [from, from + length); one whose word in `frozen` is ones counts for nothing.
int32_t NonFiniteOfBlock(const Elements& elements, const uint32_t* frozen, int64_t from, int32_t length) {
  if (elements.dtype == DType::kFloat32) {
    const float* const floats = At<float>(elements, from);
    return frozen == nullptr ? NonFinite<Float32, false>(floats, frozen, length)
                             : NonFinite<Float32, true>(floats, frozen, length);
  }
  const uint16_t* const halves = At<uint16_t>(elements, from);
  if (frozen != nullptr) return NonFinite<BFloat16Nearest, true>(halves, frozen, length);
  const int32_t paired = length / 2 * 2;
  return NonFinitePairs(PairsAt(elements, from), paired / 2) +
         NonFinite<BFloat16Nearest, false>(halves + paired, frozen, length - paired);
}

GradientScan ScanGradient(const Elements& gradients, FrozenMask mask, int64_t begin, int64_t end) {
  SquareSum squares;
  int64_t non_finite = 0;
  FrozenBlock block;
  ForAlignedBlocks(gradients, begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    const Frozen frozen = block.Read(mask, from, length);
    if (frozen == Frozen::kAll) return;
    const uint32_t* words = frozen == Frozen::kSome ? block.words() : nullptr;
    squares.Add(gradients, words, from, length);
    non_finite += NonFiniteOfBlock(gradients, words, from, length);
  });
  return {squares.Total(), non_finite};
}

}  // namespace
}  // namespace soul::SOUL_PATH
