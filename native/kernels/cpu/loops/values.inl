// Parameter values as a step reads and writes them, element by element.

namespace soul::SOUL_PATH {
namespace {

// What stays of an element: the old one where `frozen` is all ones, else the new one. By bits, so that loops
// over it stay free of branches.
SOUL_HOST_DEVICE float Stay(float old, float update, uint32_t frozen) {
  return FloatFromBits((FloatBits(old) & frozen) | (FloatBits(update) & ~frozen));
}

SOUL_HOST_DEVICE uint16_t Stay(uint16_t old, uint16_t update, uint32_t frozen) {
  return static_cast<uint16_t>((old & frozen) | (update & ~frozen));
}

// Values that are all there is of a weight.
template <typename Storage>
struct PlainValues {
  using Gradient = Storage;
  static constexpr bool kRandom = Storage::kRandom;
  typename Storage::Element* values;

  SOUL_HOST_DEVICE float Load(int32_t i) const { return Storage::Load(values[i]); }

  // Returns whether what is stored has changed. A frozen weight is all ones in `frozen`.
  SOUL_HOST_DEVICE int32_t Store(int32_t i, float value, uint32_t random, uint32_t frozen) const {
    const typename Storage::Element old = values[i];
    const typename Storage::Element stored = Stay(old, Storage::Round(value, random), frozen);
    values[i] = stored;
    return BitsOf(stored) != BitsOf(old) ? 1 : 0;
  }

 private:
  static SOUL_HOST_DEVICE uint32_t BitsOf(float element) { return FloatBits(element); }
  static SOUL_HOST_DEVICE uint32_t BitsOf(uint16_t element) { return element; }
};

// bfloat16 values that are the nearest to a float32 master, which alone is read.
struct MasteredValues {
  using Gradient = BFloat16Nearest;
  static constexpr bool kRandom = false;
  uint16_t* values;
  float* master;

  SOUL_HOST_DEVICE float Load(int32_t i) const { return master[i]; }

  SOUL_HOST_DEVICE int32_t Store(int32_t i, float value, uint32_t, uint32_t frozen) const {
    const float old = master[i];
    const float stored = Stay(old, value, frozen);
    const uint16_t rounded = BFloat16Nearest::Round(stored, 0);
    master[i] = stored;
    values[i] = rounded;
    return rounded != BFloat16Nearest::Round(old, 0) ? 1 : 0;
  }
};

// Calls work(values, State()) with the storage types of a step's memory: `work` is a generic lambda.
template <typename Work>
SOUL_HOST_DEVICE StepCounts WithStorage(const ParameterMemory& memory, DType states, bool stochastic,
                                        int64_t from, const Work& work) {
  const bool wide_states = states == DType::kFloat32;
  if (memory.master != nullptr) {
    const MasteredValues values{At<uint16_t>(memory.values, from), memory.master + from};
    if (wide_states) return work(values, Float32());
    return stochastic ? work(values, BFloat16Stochastic()) : work(values, BFloat16Nearest());
  }
  if (memory.values.dtype == DType::kFloat32) {
    const PlainValues<Float32> values{At<float>(memory.values, from)};
    if (wide_states) return work(values, Float32());
    return stochastic ? work(values, BFloat16Stochastic()) : work(values, BFloat16Nearest());
  }
  if (stochastic) {
    const PlainValues<BFloat16Stochastic> values{At<uint16_t>(memory.values, from)};
    return wide_states ? work(values, Float32()) : work(values, BFloat16Stochastic());
  }
  const PlainValues<BFloat16Nearest> values{At<uint16_t>(memory.values, from)};
  return wide_states ? work(values, Float32()) : work(values, BFloat16Nearest());
}

}  // namespace
}  // namespace soul::SOUL_PATH
