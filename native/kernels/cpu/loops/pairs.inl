// Two neighbouring bfloat16 as one word: loops over words need no other width than float32's, so they
// vectorise without a shuffle.

namespace soul::SOUL_PATH {
namespace {

// Lies where a bfloat16 may lie. The first element is the lower half: every processor here is little-endian.
typedef uint32_t Pair __attribute__((aligned(2), may_alias));

SOUL_HOST_DEVICE Pair* PairsAt(const Elements& elements, int64_t index) {
  return reinterpret_cast<Pair*>(At<uint16_t>(elements, index));
}

SOUL_HOST_DEVICE float First(uint32_t pair) {
  return FloatFromBits(pair << 16);
}

SOUL_HOST_DEVICE float Second(uint32_t pair) {
  return FloatFromBits(pair & 0xffff0000u);
}

template <typename Storage>
SOUL_HOST_DEVICE uint32_t PairOf(float first, float second, uint32_t first_random, uint32_t second_random) {
  return Storage::RoundWord(first, first_random) >> 16 |
         (Storage::RoundWord(second, second_random) & 0xffff0000u);
}

// Whether all that a step reads and writes is bfloat16.
SOUL_HOST_DEVICE bool IsNarrow(const ParameterMemory& memory, const Elements& states) {
  return memory.master == nullptr && memory.values.dtype == DType::kBFloat16 &&
         states.dtype == DType::kBFloat16;
}

// Whether all of it is float32.
SOUL_HOST_DEVICE bool IsWide(const ParameterMemory& memory, const Elements& states) {
  return memory.values.dtype == DType::kFloat32 && states.dtype == DType::kFloat32;
}

// Ones at bits 0 and 16 where the first and the second of two pairs differ.
SOUL_HOST_DEVICE uint32_t Differing(uint32_t pair, uint32_t other) {
  const uint32_t difference = pair ^ other;
  // Bit 15 of a half is set when any bit of it is: the sum carries into it, or it was set before.
  return ((((difference & 0x7fff7fffu) + 0x7fff7fffu) | difference) >> 15) & 0x00010001u;
}

// What sums of Differing over a block count: at most 512 in each half, so the halves do not meet.
SOUL_HOST_DEVICE int32_t SumOfHalves(uint32_t sums) {
  return static_cast<int32_t>((sums & 0xffffu) + (sums >> 16));
}

}  // namespace
}  // namespace soul::SOUL_PATH
