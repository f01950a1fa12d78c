// One value in place of frozen elements.

namespace soul::SOUL_PATH {
namespace {

template <typename Element>
void FillFrozenBlock(Element value, Element* elements, const uint32_t* frozen, int32_t length) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) elements[i] = Stay(value, elements[i], frozen[i]);
}

template <typename Element>
void FillFrozenOf(Element value, const Elements& elements, FrozenMask mask, int64_t begin, int64_t end) {
  FrozenBlock block;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    Element* const own = At<Element>(elements, from);
    const Frozen frozen = block.Read(mask, from, length);
    if (frozen == Frozen::kSome) FillFrozenBlock(value, own, block.words(), length);
    if (frozen != Frozen::kAll) return;
    for (int32_t i = 0; i < length; ++i) own[i] = value;
  });
}

void FillFrozen(const Elements& elements, FrozenMask mask, float value, int64_t begin, int64_t end) {
  if (elements.dtype == DType::kFloat32) {
    FillFrozenOf<float>(value, elements, mask, begin, end);
  } else {
    FillFrozenOf<uint16_t>(ToBFloat16(value), elements, mask, begin, end);
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
