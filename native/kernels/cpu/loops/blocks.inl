// Blocks of at most kBlock elements, so that what one loop leaves is still in the nearest cache when the next
// one reads it; and the bits of a frozen mask spread over the elements of a block.

namespace soul::SOUL_PATH {
namespace {

// Calls work(from, length) for the blocks of [begin, end).
template <typename Work>
SOUL_HOST_DEVICE void ForBlocks(int64_t begin, int64_t end, const Work& work) {
  for (int64_t from = begin; from < end; from += kBlock) {
    work(from, static_cast<int32_t>(end - from < kBlock ? end - from : kBlock));
  }
}

// The same, with boundaries where `elements` begin a cache line: a vector that crosses one costs two
// accesses. Other memory of the same dtype is aligned with it when it lies alike within its lines, as large
// arrays do.
template <typename Work>
SOUL_HOST_DEVICE void ForAlignedBlocks(const Elements& elements, int64_t begin, int64_t end,
                                       const Work& work) {
  constexpr int64_t kLine = 64;
  const auto size = static_cast<int64_t>(SizeOf(elements.dtype));
  const auto address = reinterpret_cast<uintptr_t>(elements.data) + static_cast<uintptr_t>(begin * size);
  const int64_t before = (kLine - static_cast<int64_t>(address % kLine)) % kLine / size;
  const int64_t aligned = begin + before < end ? begin + before : end;
  if (aligned > begin) work(begin, static_cast<int32_t>(aligned - begin));
  ForBlocks(aligned, end, work);
}

enum class Frozen { kNone, kSome, kAll };

// What the bits of elements [from, from + length) have in common, by whole words: a frozen tensor costs no
// more than to look at its mask.
SOUL_HOST_DEVICE Frozen FrozenIn(FrozenMask mask, int64_t from, int32_t length) {
  const int64_t first = from / 8;
  const int64_t last = (from + length - 1) / 8;
  // Of the bytes at both ends, bits of other elements don't count.
  const auto head = static_cast<uint32_t>((0xff << (from % 8)) & 0xff);
  const auto tail = static_cast<uint32_t>(0xff >> (7 - (from + length - 1) % 8));
  uint64_t frozen = 0;
  uint64_t free = 0;
  const auto look = [&](uint64_t bits, uint64_t own) __attribute__((always_inline)) {
    frozen |= bits & own;
    free |= ~bits & own;
  };
  look(mask[first], first == last ? head & tail : head);
  if (first < last) look(mask[last], tail);
  int64_t byte = first + 1;
  for (uint64_t word = 0; byte + 8 <= last; byte += 8) {
    __builtin_memcpy(&word, mask + byte, sizeof(word));
    look(word, ~uint64_t{0});
  }
  for (; byte < last; ++byte) look(mask[byte], 0xff);
  return frozen == 0 ? Frozen::kNone : free == 0 ? Frozen::kAll : Frozen::kSome;
}

// One word for each element of a block, all ones where it is frozen; for blocks that are frozen in part.
class FrozenBlock {
 public:
  SOUL_HOST_DEVICE Frozen Read(FrozenMask mask, int64_t from, int32_t length) {
    frozen_ = 0;
    if (mask == nullptr) return Frozen::kNone;
    const Frozen state = FrozenIn(mask, from, length);
    if (state == Frozen::kSome) Expand(mask, from, length);
    return state;
  }

  // How many the last block had, where it was frozen in part.
  SOUL_HOST_DEVICE int32_t frozen() const { return frozen_; }
  SOUL_HOST_DEVICE const uint32_t* words() const { return words_ + skew_; }

 private:
  SOUL_HOST_DEVICE void Expand(FrozenMask mask, int64_t from, int32_t length) {
    const int64_t first = from / 8;
    const int64_t last = (from + length - 1) / 8;
    skew_ = static_cast<int32_t>(from % 8);
    for (int64_t byte = first; byte <= last; ++byte) {
      const uint32_t bits = mask[byte];
      uint32_t* words = words_ + (byte - first) * 8;
      for (int32_t bit = 0; bit < 8; ++bit) words[bit] = 0u - ((bits >> bit) & 1u);
    }
    for (int32_t i = 0; i < length; ++i) frozen_ -= static_cast<int32_t>(words_[skew_ + i]);
  }

  alignas(64) uint32_t words_[kBlock + 16];
  int32_t skew_ = 0;
  int32_t frozen_ = 0;
};

template <typename Element>
SOUL_HOST_DEVICE Element* At(const Elements& elements, int64_t index) {
  return static_cast<Element*>(elements.data) + index;
}

// A block's elements as floats, for loops that are not worth a version for each dtype.
SOUL_HOST_DEVICE void LoadBlock(const Elements& elements, int64_t from, int32_t length,
                                float* __restrict values) {
  if (elements.dtype == DType::kFloat32) {
    const float* __restrict source = At<float>(elements, from);
    for (int32_t i = 0; i < length; ++i) values[i] = source[i];
  } else {
    const uint16_t* __restrict source = At<uint16_t>(elements, from);
    for (int32_t i = 0; i < length; ++i) values[i] = FromBFloat16(source[i]);
  }
}

// The random bits of a block's elements. A block lies in one chunk, so the upper half of its indices is one
// number.
SOUL_HOST_DEVICE RandomKey BlockKey(const Rounding& rounding, Purpose purpose, int64_t from) {
  return RoundingKey(rounding.seed, purpose, rounding.count, static_cast<uint32_t>(from >> 32));
}

SOUL_HOST_DEVICE void ZeroBlock(const Elements& elements, int64_t from, int32_t length) {
  if (elements.dtype == DType::kFloat32) {
    for (int32_t i = 0; i < length; ++i) At<float>(elements, from)[i] = 0.0f;
  } else {
    for (int32_t i = 0; i < length; ++i) At<uint16_t>(elements, from)[i] = 0;
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
