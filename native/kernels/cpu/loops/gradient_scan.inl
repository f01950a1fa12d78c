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

template <typename Storage>
int32_t NonFiniteOfBlock(const typename Storage::Element* gradients, const uint32_t* frozen, int32_t length) {
  return frozen == nullptr ? NonFinite<Storage, false>(gradients, frozen, length)
                           : NonFinite<Storage, true>(gradients, frozen, length);
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
    non_finite += gradients.dtype == DType::kFloat32
                      ? NonFiniteOfBlock<Float32>(At<float>(gradients, from), words, length)
                      : NonFiniteOfBlock<BFloat16Nearest>(At<uint16_t>(gradients, from), words, length);
  });
  return {squares.Total(), non_finite};
}

}  // namespace
}  // namespace soul::SOUL_PATH
