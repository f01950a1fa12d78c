// Elements of any dtype as floats and back, a short piece at a time: a step on mixed dtypes is the float32
// step between the two. Conversions in loops of their own vectorise better than one loop over elements of two
// widths.

namespace soul::SOUL_PATH {
namespace {

// So few that the copies stay in the nearest cache beside what they are copies of.
constexpr int32_t kPiece = 256;

// Calls work(begin, count) for pieces of [begin, end).
template <typename Work>
SOUL_HOST_DEVICE void ForPieces(int32_t begin, int32_t end, const Work& work) {
  for (int32_t at = begin; at < end; at += kPiece) work(at, end - at < kPiece ? end - at : kPiece);
}

// Where the elements lie, when they are float32, else `copy`, filled with them.
SOUL_HOST_DEVICE float* AsFloats(const Elements& elements, int64_t from, int32_t length, float* copy) {
  if (elements.dtype == DType::kFloat32) return At<float>(elements, from);
  LoadBlock(elements, from, length, copy);
  return copy;
}

// What stays of an element: the old one where `frozen` is all ones, else the new one. By bits, so that loops
// over it stay free of branches.
SOUL_HOST_DEVICE float Stay(float old, float update, uint32_t frozen) {
  return FloatFromBits((FloatBits(old) & frozen) | (FloatBits(update) & ~frozen));
}

SOUL_HOST_DEVICE uint16_t Stay(uint16_t old, uint16_t update, uint32_t frozen) {
  return static_cast<uint16_t>((old & frozen) | (update & ~frozen));
}

// The half of an element's random bits that rounds it.
enum class Half : uint32_t { kLower = 0, kUpper = 16 };

// Which random bits round a piece.
struct PieceRounding {
  bool stochastic = false;
  RandomKey key = {};
  Half half = Half::kLower;
};

template <typename Storage, bool kSomeFrozen>
int32_t StorePiece(const float* __restrict values, const uint32_t* __restrict frozen,
                   const PieceRounding& rounding, uint32_t first, int32_t length,
                   typename Storage::Element* __restrict elements) {
  const RandomKey key = rounding.key;
  const auto shift = static_cast<uint32_t>(rounding.half);
  int32_t changed = 0;
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t random =
        Storage::kRandom ? RoundingBits(key, first + static_cast<uint32_t>(i)) >> shift : 0;
    const uint16_t old = elements[i];
    const uint16_t stored = Stay(old, Storage::Round(values[i], random), kSomeFrozen ? frozen[i] : 0);
    elements[i] = stored;
    changed += stored != old ? 1 : 0;
  }
  return changed;
}

// Rounds floats to bfloat16 elements; returns how many of these changed. Frozen ones stay.
int32_t StoreFloats(const float* values, const uint32_t* frozen, const PieceRounding& rounding,
                    const Elements& elements, int64_t from, int32_t length) {
  uint16_t* const target = At<uint16_t>(elements, from);
  const auto first = static_cast<uint32_t>(from);
  if (rounding.stochastic) {
    return frozen == nullptr
               ? StorePiece<BFloat16Stochastic, false>(values, frozen, rounding, first, length, target)
               : StorePiece<BFloat16Stochastic, true>(values, frozen, rounding, first, length, target);
  }
  return frozen == nullptr
             ? StorePiece<BFloat16Nearest, false>(values, frozen, rounding, first, length, target)
             : StorePiece<BFloat16Nearest, true>(values, frozen, rounding, first, length, target);
}

// Of a master that a step has left as `values` its rounded copy; returns how many differ from `old`, what the
// copy was before. Only of pieces that are frozen in part the copy is read.
template <bool kSomeFrozen>
int32_t StoreCopy(const float* __restrict values, const uint16_t* __restrict old,
                  const uint32_t* __restrict frozen, int32_t length, uint16_t* __restrict elements) {
  int32_t changed = 0;
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint16_t stored = BFloat16Nearest::Round(values[i], 0);
    elements[i] = kSomeFrozen ? Stay(elements[i], stored, frozen[i]) : stored;
    changed += stored != old[i] ? 1 : 0;
  }
  return changed;
}

// The parameters of a piece as floats.
class StagedParameters {
 public:
  SOUL_HOST_DEVICE StagedParameters(const ParameterMemory& memory, int64_t from, int32_t length)
      : memory_(memory), from_(from), length_(length) {
    if (memory.master != nullptr) {
      values = memory.master + from;
      for (int32_t i = 0; i < length; ++i) rounded_[i] = BFloat16Nearest::Round(values[i], 0);
    } else {
      values = AsFloats(memory.values, from, length, value_copy_);
    }
    gradients = AsFloats(memory.gradients, from, length, gradient_copy_);
  }

  // Rounds stepped values back. Returns how many changed, given how many of the floats did.
  SOUL_HOST_DEVICE int32_t Store(const uint32_t* frozen, const PieceRounding& rounding,
                                 int32_t changed) const {
    if (memory_.values.dtype == DType::kFloat32) return changed;
    if (memory_.master == nullptr)
      return StoreFloats(values, frozen, rounding, memory_.values, from_, length_);
    uint16_t* const copy = At<uint16_t>(memory_.values, from_);
    return frozen == nullptr ? StoreCopy<false>(values, rounded_, frozen, length_, copy)
                             : StoreCopy<true>(values, rounded_, frozen, length_, copy);
  }

  float* values;
  const float* gradients;

 private:
  const ParameterMemory& memory_;
  const int64_t from_;
  const int32_t length_;
  alignas(64) float value_copy_[kPiece];
  alignas(64) uint16_t rounded_[kPiece];  // a master's copy, before the step
  alignas(64) float gradient_copy_[kPiece];
};

// A moving average of a piece as floats.
class StagedState {
 public:
  SOUL_HOST_DEVICE StagedState(const Elements& elements, int64_t from, int32_t length)
      : elements_(elements), from_(from), length_(length) {
    values = AsFloats(elements, from, length, copy_);
  }

  SOUL_HOST_DEVICE void Store(const uint32_t* frozen, const PieceRounding& rounding) const {
    if (elements_.dtype == DType::kFloat32) return;
    StoreFloats(values, frozen, rounding, elements_, from_, length_);
  }

  float* values;

 private:
  const Elements& elements_;
  const int64_t from_;
  const int32_t length_;
  alignas(64) float copy_[kPiece];
};

}  // namespace
}  // namespace soul::SOUL_PATH
