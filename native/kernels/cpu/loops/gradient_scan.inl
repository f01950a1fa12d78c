// One read of a gradient: its norm, and whether every element is finite.

namespace soul::SOUL_PATH {
namespace {

template <typename Storage>
SOUL_HOST_DEVICE int32_t NonFiniteOfBlock(const typename Storage::Element* gradients, const uint32_t* frozen,
                                          int32_t length) {
  int32_t count = 0;
  for (int32_t i = 0; i < length; ++i) {
    uint32_t bits = FloatBits(Storage::Load(gradients[i]));
    if (frozen != nullptr) bits &= ~frozen[i];
    count += (bits & 0x7f800000u) == 0x7f800000u ? 1 : 0;
  }
  return count;
}

template <typename Storage>
GradientScan ScanOf(const typename Storage::Element* gradients, FrozenMask mask, int64_t begin, int64_t end) {
  GradientScan scan;
  FrozenBlock block;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    const Frozen frozen = block.Read(mask, from, length);
    if (frozen == Frozen::kAll) return;
    const uint32_t* words = frozen == Frozen::kSome ? block.words() : nullptr;
    scan.square_sum += SquareSumOfBlock<Storage>(gradients + from, words, length);
    scan.non_finite += NonFiniteOfBlock<Storage>(gradients + from, words, length);
  });
  return scan;
}

GradientScan ScanGradient(const Elements& gradients, FrozenMask frozen, int64_t begin, int64_t end) {
  return gradients.dtype == DType::kFloat32
             ? ScanOf<Float32>(At<float>(gradients, 0), frozen, begin, end)
             : ScanOf<BFloat16Nearest>(At<uint16_t>(gradients, 0), frozen, begin, end);
}

}  // namespace
}  // namespace soul::SOUL_PATH
