// Sophia over flat memory: the Hessian's average, and the step.

namespace soul::SOUL_PATH {
namespace {

template <bool kSomeFrozen>
void AverageBlock(float* __restrict hessian, const float* __restrict gradients,
                  const uint32_t* __restrict frozen, float decay, float scale, int32_t length) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    hessian[i] =
        Stay(hessian[i], HessianAverage(hessian[i], gradients[i], decay, scale), kSomeFrozen ? frozen[i] : 0);
  }
}

// The same for an even number of weights, all bfloat16.
template <typename Storage>
void AveragePairs(Pair* __restrict hessian, const Pair* __restrict gradients, float decay, float scale,
                  RandomKey key, uint32_t first, int32_t pairs) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < pairs; ++i) {
    const uint32_t element = first + 2 * static_cast<uint32_t>(i);
    const uint32_t random = Storage::kRandom ? RoundingBits(key, element) : 0;
    const uint32_t next_random = Storage::kRandom ? RoundingBits(key, element + 1) : 0;
    const uint32_t pair = hessian[i];
    const float one = HessianAverage(First(pair), First(gradients[i]), decay, scale);
    const float two = HessianAverage(Second(pair), Second(gradients[i]), decay, scale);
    hessian[i] = PairOf<Storage>(one, two, random, next_random);
  }
}

void UpdateHessianOfBlock(const Elements& hessian, const HessianEstimate& estimate, const uint32_t* frozen,
                          const Rounding& rounding, Purpose purpose, int64_t from, int32_t length) {
  const RandomKey key = BlockKey(rounding, purpose, from);
  const bool narrow = hessian.dtype == DType::kBFloat16 && estimate.gradients.dtype == DType::kBFloat16;
  int32_t done = 0;
  if (narrow && frozen == nullptr) {
    const auto average =
        rounding.stochastic ? AveragePairs<BFloat16Stochastic> : AveragePairs<BFloat16Nearest>;
    average(PairsAt(hessian, from), PairsAt(estimate.gradients, from), estimate.decay, estimate.scale, key,
            static_cast<uint32_t>(from), length / 2);
    done = length / 2 * 2;
  }
  const auto average = frozen == nullptr ? AverageBlock<false> : AverageBlock<true>;
  if (hessian.dtype == DType::kFloat32 && estimate.gradients.dtype == DType::kFloat32) {
    average(At<float>(hessian, from), At<float>(estimate.gradients, from), frozen, estimate.decay,
            estimate.scale, length);
    return;
  }
  alignas(64) float gradients[kPiece];
  ForPieces(done, length, [&](int32_t begin, int32_t count) {
    const int64_t at = from + begin;
    const uint32_t* words = frozen == nullptr ? nullptr : frozen + begin;
    const StagedState state(hessian, at, count);
    average(state.values, AsFloats(estimate.gradients, at, count, gradients), words, estimate.decay,
            estimate.scale, count);
    state.Store(words, {rounding.stochastic, key, Half::kLower});
  });
}

void UpdateHessian(const Elements& hessian, const HessianEstimate& estimate, FrozenMask mask,
                   const Rounding& rounding, int64_t begin, int64_t end) {
  FrozenBlock block;
  ForAlignedBlocks(hessian, begin, end, [&](int64_t from, int32_t length) {
    const Frozen frozen = block.Read(mask, from, length);
    if (frozen == Frozen::kAll) return;
    const uint32_t* words = frozen == Frozen::kSome ? block.words() : nullptr;
    UpdateHessianOfBlock(hessian, estimate, words, rounding, Purpose::kEstimate, from, length);
  });
}

template <bool kSomeFrozen>
StepCounts StepSophiaBlock(float* __restrict values, const float* __restrict gradients,
                           float* __restrict momentum, const float* __restrict hessian,
                           const uint32_t* __restrict frozen, const SophiaCoefficients c, int32_t length) {
  int32_t clipped = 0;
  int32_t changed = 0;
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t still = kSomeFrozen ? frozen[i] : 0;
    const float old = values[i];
    const SophiaUpdate update = SophiaStep(old, momentum[i], hessian[i], gradients[i], c);
    const float stored = Stay(old, update.value, still);
    momentum[i] = Stay(momentum[i], update.momentum, still);
    values[i] = stored;
    changed += FloatBits(stored) != FloatBits(old) ? 1 : 0;
    clipped += update.clipped & static_cast<int32_t>(~still);
  }
  return {length, clipped, changed, 0};
}

// The same for an even number of weights that are bfloat16 in all their parts.
template <typename Storage>
StepCounts StepSophiaPairs(Pair* __restrict values, const Pair* __restrict gradients,
                           Pair* __restrict momentum, const Pair* __restrict hessian,
                           const SophiaCoefficients c, RandomKey key, uint32_t first, int32_t pairs) {
  int32_t clipped = 0;
  uint32_t changed = 0;
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < pairs; ++i) {
    const uint32_t element = first + 2 * static_cast<uint32_t>(i);
    const uint32_t random = Storage::kRandom ? RoundingBits(key, element) : 0;
    const uint32_t next_random = Storage::kRandom ? RoundingBits(key, element + 1) : 0;
    const uint32_t old = values[i];
    const SophiaUpdate one =
        SophiaStep(First(old), First(momentum[i]), First(hessian[i]), First(gradients[i]), c);
    const SophiaUpdate two =
        SophiaStep(Second(old), Second(momentum[i]), Second(hessian[i]), Second(gradients[i]), c);
    momentum[i] = PairOf<Storage>(one.momentum, two.momentum, random >> 16, next_random >> 16);
    const uint32_t stored = PairOf<Storage>(one.value, two.value, random, next_random);
    values[i] = stored;
    changed += Differing(old, stored);
    clipped += one.clipped + two.clipped;
  }
  return {2 * pairs, clipped, SumOfHalves(changed), 0};
}

StepCounts StepSophiaOfBlock(const SophiaMemory& memory, const SophiaCoefficients& coefficients,
                             const StepPass& pass, const uint32_t* frozen, int64_t from, int32_t length) {
  StepCounts counts;
  const RandomKey key = BlockKey(pass.rounding, Purpose::kStep, from);
  const auto first = static_cast<uint32_t>(from);
  int32_t done = 0;
  if (frozen == nullptr && IsNarrow(memory, memory.momentum)) {
    const auto step =
        pass.rounding.stochastic ? StepSophiaPairs<BFloat16Stochastic> : StepSophiaPairs<BFloat16Nearest>;
    counts =
        step(PairsAt(memory.values, from), PairsAt(memory.gradients, from), PairsAt(memory.momentum, from),
             PairsAt(memory.hessian, from), coefficients, key, first, length / 2);
    done = length / 2 * 2;
  }
  const auto step = frozen == nullptr ? StepSophiaBlock<false> : StepSophiaBlock<true>;
  if (IsWide(memory, memory.momentum)) {
    return step(At<float>(memory.values, from), At<float>(memory.gradients, from),
                At<float>(memory.momentum, from), At<float>(memory.hessian, from), frozen, coefficients,
                length);
  }
  alignas(64) float hessian[kPiece];
  ForPieces(done, length, [&](int32_t begin, int32_t count) {
    const int64_t at = from + begin;
    const uint32_t* words = frozen == nullptr ? nullptr : frozen + begin;
    const StagedParameters parameters(memory, at, count);
    const StagedState momentum(memory.momentum, at, count);
    StepCounts piece = step(parameters.values, parameters.gradients, momentum.values,
                            AsFloats(memory.hessian, at, count, hessian), words, coefficients, count);
    piece.changed = parameters.Store(words, {pass.rounding.stochastic, key, Half::kLower},
                                     static_cast<int32_t>(piece.changed));
    momentum.Store(words, {pass.rounding.stochastic, key, Half::kUpper});
    counts += piece;
  });
  return counts;
}

StepCounts StepSophia(const SophiaMemory& memory, const HessianEstimate& estimate,
                      const SophiaCoefficients& coefficients, const StepPass& pass, int64_t begin,
                      int64_t end) {
  StepCounts counts;
  SquareSum squares;
  FrozenBlock block;
  ForAlignedBlocks(memory.values, begin, end, [&](int64_t from, int32_t length) {
    const Frozen frozen = block.Read(memory.frozen, from, length);
    const uint32_t* words = frozen == Frozen::kSome ? block.words() : nullptr;
    if (frozen != Frozen::kAll) {
      counts.stepped -= block.frozen();
      if (estimate.gradients) {
        UpdateHessianOfBlock(memory.hessian, estimate, words, pass.rounding, Purpose::kSecondState, from,
                             length);
      }
      if (pass.sum_squares) squares.Add(memory.gradients, words, from, length);
      counts += StepSophiaOfBlock(memory, coefficients, pass, words, from, length);
    }
    if (pass.zero_gradients) ZeroBlock(memory.gradients, from, length);
  });
  counts.square_sum = squares.Total();
  return counts;
}

}  // namespace
}  // namespace soul::SOUL_PATH
