// AdamW over flat memory.

namespace soul::SOUL_PATH {
namespace {

template <bool kSomeFrozen>
StepCounts StepAdamWBlock(float* __restrict values, const float* __restrict gradients,
                          float* __restrict average, float* __restrict square_average,
                          const uint32_t* __restrict frozen, const AdamWCoefficients c, int32_t length) {
  int32_t changed = 0;
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t still = kSomeFrozen ? frozen[i] : 0;
    const float old = values[i];
    const AdamWUpdate update = AdamWStep(old, average[i], square_average[i], gradients[i], c);
    const float stored = Stay(old, update.value, still);
    average[i] = Stay(average[i], update.average, still);
    square_average[i] = Stay(square_average[i], update.square_average, still);
    values[i] = stored;
    changed += FloatBits(stored) != FloatBits(old) ? 1 : 0;
  }
  return {length, 0, changed, 0};
}

// The same for an even number of weights that are bfloat16 in all their parts.
template <typename Storage>
StepCounts StepAdamWPairs(Pair* __restrict values, const Pair* __restrict gradients, Pair* __restrict average,
                          Pair* __restrict square_average, const AdamWCoefficients c, RandomKey key,
                          RandomKey square_key, uint32_t first, int32_t pairs) {
  uint32_t changed = 0;
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < pairs; ++i) {
    const uint32_t element = first + 2 * static_cast<uint32_t>(i);
    const uint32_t random = Storage::kRandom ? RoundingBits(key, element) : 0;
    const uint32_t next_random = Storage::kRandom ? RoundingBits(key, element + 1) : 0;
    const uint32_t square_random = Storage::kRandom ? RoundingBits(square_key, element) : 0;
    const uint32_t next_square_random = Storage::kRandom ? RoundingBits(square_key, element + 1) : 0;
    const uint32_t old = values[i];
    const AdamWUpdate one =
        AdamWStep(First(old), First(average[i]), First(square_average[i]), First(gradients[i]), c);
    const AdamWUpdate two =
        AdamWStep(Second(old), Second(average[i]), Second(square_average[i]), Second(gradients[i]), c);
    average[i] = PairOf<Storage>(one.average, two.average, random >> 16, next_random >> 16);
    square_average[i] =
        PairOf<Storage>(one.square_average, two.square_average, square_random, next_square_random);
    const uint32_t stored = PairOf<Storage>(one.value, two.value, random, next_random);
    values[i] = stored;
    changed += Differing(old, stored);
  }
  return {2 * pairs, 0, SumOfHalves(changed), 0};
}

StepCounts StepAdamWOfBlock(const AdamWMemory& memory, const AdamWCoefficients& coefficients,
                            const StepPass& pass, const uint32_t* frozen, int64_t from, int32_t length) {
  StepCounts counts;
  const RandomKey key = BlockKey(pass.rounding, Purpose::kStep, from);
  const RandomKey square_key = BlockKey(pass.rounding, Purpose::kSecondState, from);
  const auto first = static_cast<uint32_t>(from);
  int32_t done = 0;
  if (frozen == nullptr && IsNarrow(memory, memory.average)) {
    const auto step =
        pass.rounding.stochastic ? StepAdamWPairs<BFloat16Stochastic> : StepAdamWPairs<BFloat16Nearest>;
    counts =
        step(PairsAt(memory.values, from), PairsAt(memory.gradients, from), PairsAt(memory.average, from),
             PairsAt(memory.square_average, from), coefficients, key, square_key, first, length / 2);
    done = length / 2 * 2;
  }
  const auto step = frozen == nullptr ? StepAdamWBlock<false> : StepAdamWBlock<true>;
  if (IsWide(memory, memory.average)) {
    return step(At<float>(memory.values, from), At<float>(memory.gradients, from),
                At<float>(memory.average, from), At<float>(memory.square_average, from), frozen, coefficients,
                length);
  }
  ForPieces(done, length, [&](int32_t begin, int32_t count) {
    const int64_t at = from + begin;
    const uint32_t* words = frozen == nullptr ? nullptr : frozen + begin;
    const StagedParameters parameters(memory, at, count);
    const StagedState average(memory.average, at, count);
    const StagedState square_average(memory.square_average, at, count);
    StepCounts piece = step(parameters.values, parameters.gradients, average.values, square_average.values,
                            words, coefficients, count);
    piece.changed = parameters.Store(words, {pass.rounding.stochastic, key, Half::kLower},
                                     static_cast<int32_t>(piece.changed));
    average.Store(words, {pass.rounding.stochastic, key, Half::kUpper});
    square_average.Store(words, {pass.rounding.stochastic, square_key, Half::kLower});
    counts += piece;
  });
  return counts;
}

StepCounts StepAdamW(const AdamWMemory& memory, const AdamWCoefficients& coefficients, const StepPass& pass,
                     int64_t begin, int64_t end) {
  StepCounts counts;
  SquareSum squares;
  FrozenBlock block;
  ForAlignedBlocks(memory.values, begin, end, [&](int64_t from, int32_t length) {
    const Frozen frozen = block.Read(memory.frozen, from, length);
    const uint32_t* words = frozen == Frozen::kSome ? block.words() : nullptr;
    if (frozen != Frozen::kAll) {
      counts.stepped -= block.frozen();
      if (pass.sum_squares) squares.Add(memory.gradients, words, from, length);
      counts += StepAdamWOfBlock(memory, coefficients, pass, words, from, length);
    }
    if (pass.zero_gradients) ZeroBlock(memory.gradients, from, length);
  });
  counts.square_sum = squares.Total();
  return counts;
}

}  // namespace
}  // namespace soul::SOUL_PATH
