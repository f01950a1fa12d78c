// Sophia over flat memory: the Hessian's average, and the step.

namespace soul::SOUL_PATH {
namespace {

template <typename Storage, typename Gradient, bool kSomeFrozen>
void UpdateHessianBlock(typename Storage::Element* __restrict hessian,
                        const typename Gradient::Element* __restrict gradients,
                        const uint32_t* __restrict frozen, float decay, float scale, RandomKey key,
                        uint32_t first, int32_t length) {
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t random = Storage::kRandom ? RoundingBits(key, first + static_cast<uint32_t>(i)) : 0;
    const float average =
        HessianAverage(Storage::Load(hessian[i]), Gradient::Load(gradients[i]), decay, scale);
    hessian[i] = Stay(hessian[i], Storage::Round(average, random), kSomeFrozen ? frozen[i] : 0);
  }
}

// The same for an even number of weights, all bfloat16.
template <typename Storage>
void UpdateHessianPairs(Pair* __restrict hessian, const Pair* __restrict gradients, float decay, float scale,
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

template <typename Storage>
void UpdateHessianOf(const Elements& hessian, const HessianEstimate& estimate, const uint32_t* frozen,
                     RandomKey key, int64_t from, int32_t length) {
  const auto first = static_cast<uint32_t>(from);
  int32_t done = 0;
  if constexpr (!std::is_same_v<Storage, Float32>) {
    if (frozen == nullptr && estimate.gradients.dtype == DType::kBFloat16) {
      UpdateHessianPairs<Storage>(PairsAt(hessian, from), PairsAt(estimate.gradients, from), estimate.decay,
                                  estimate.scale, key, first, length / 2);
      done = length / 2 * 2;
    }
  }
  const auto update = [&]<typename Gradient>(Gradient) {
    const auto block = frozen == nullptr ? UpdateHessianBlock<Storage, Gradient, false>
                                         : UpdateHessianBlock<Storage, Gradient, true>;
    block(At<typename Storage::Element>(hessian, from + done),
          At<typename Gradient::Element>(estimate.gradients, from + done), frozen, estimate.decay,
          estimate.scale, key, first + static_cast<uint32_t>(done), length - done);
  };
  if (estimate.gradients.dtype == DType::kFloat32) {
    update(Float32());
  } else {
    update(BFloat16Nearest());
  }
}

void UpdateHessianOfBlock(const Elements& hessian, const HessianEstimate& estimate, const uint32_t* frozen,
                          const Rounding& rounding, Purpose purpose, int64_t from, int32_t length) {
  const RandomKey key = BlockKey(rounding, purpose, from);
  if (hessian.dtype == DType::kFloat32) {
    UpdateHessianOf<Float32>(hessian, estimate, frozen, key, from, length);
  } else if (rounding.stochastic) {
    UpdateHessianOf<BFloat16Stochastic>(hessian, estimate, frozen, key, from, length);
  } else {
    UpdateHessianOf<BFloat16Nearest>(hessian, estimate, frozen, key, from, length);
  }
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

template <typename Values, typename State, bool kSomeFrozen>
StepCounts StepSophiaBlock(const Values values,
                           const typename Values::Gradient::Element* __restrict gradients,
                           typename State::Element* __restrict momentum,
                           const typename State::Element* __restrict hessian,
                           const uint32_t* __restrict frozen, const SophiaCoefficients c, RandomKey key,
                           uint32_t first, int32_t length) {
  constexpr bool kRandom = Values::kRandom || State::kRandom;
  int32_t clipped = 0;
  int32_t changed = 0;
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t random = kRandom ? RoundingBits(key, first + static_cast<uint32_t>(i)) : 0;
    const uint32_t still = kSomeFrozen ? frozen[i] : 0;
    const SophiaUpdate update = SophiaStep(values.Load(i), State::Load(momentum[i]), State::Load(hessian[i]),
                                           Values::Gradient::Load(gradients[i]), c);
    momentum[i] = Stay(momentum[i], State::Round(update.momentum, random >> 16), still);
    changed += values.Store(i, update.value, random, still);
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
  if (done == length) return counts;
  counts += WithStorage(memory, memory.momentum.dtype, pass.rounding.stochastic, from + done,
                        [&]<typename Values, typename State>(const Values& values, State) {
                          using Gradient = typename Values::Gradient::Element;
                          using Element = typename State::Element;
                          const auto step = frozen == nullptr ? StepSophiaBlock<Values, State, false>
                                                              : StepSophiaBlock<Values, State, true>;
                          return step(values, At<Gradient>(memory.gradients, from + done),
                                      At<Element>(memory.momentum, from + done),
                                      At<Element>(memory.hessian, from + done), frozen, coefficients, key,
                                      first + static_cast<uint32_t>(done), length - done);
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
