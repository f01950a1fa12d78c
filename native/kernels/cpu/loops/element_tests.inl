// Which elements are 0, and how many are not finite.

namespace soul::SOUL_PATH {
namespace {

int64_t CountNonFinite(const Elements& elements, int64_t begin, int64_t end) {
  int64_t count = 0;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    count += NonFiniteOfBlock(elements, nullptr, from, length);
  });
  return count;
}

// `begin` is a multiple of 8.
void MaskZeros(const Elements& elements, uint8_t* mask, int64_t begin, int64_t end) {
  alignas(64) float copy[kBlock + 8];
  ForBlocks(begin, end, [&](int64_t from, int32_t length) __attribute__((always_inline)) {
    LoadBlock(elements, from, length, copy);
    const int32_t bytes = (length + 7) / 8;
    for (int32_t i = length; i < bytes * 8; ++i) copy[i] = 1.0f;
    uint8_t* const target = mask + from / 8;
    for (int32_t byte = 0; byte < bytes; ++byte) {
      uint32_t bits = 0;
      for (int32_t bit = 0; bit < 8; ++bit) bits |= (copy[byte * 8 + bit] == 0.0f ? 1u : 0u) << bit;
      target[byte] = static_cast<uint8_t>(bits);
    }
  });
}

}  // namespace
}  // namespace soul::SOUL_PATH
