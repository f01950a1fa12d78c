// AdamW over flat memory.

namespace soul::SOUL_PATH {
namespace {

template <typename Values, typename State, bool kSomeFrozen>
StepCounts StepAdamWBlock(const Values values, const typename Values::Gradient::Element* __restrict gradients,
                          typename State::Element* __restrict average,
                          typename State::Element* __restrict square_average,
                          const uint32_t* __restrict frozen, const AdamWCoefficients c, RandomKey key,
                          RandomKey square_key, uint32_t first, int32_t length) {
  constexpr bool kRandom = Values::kRandom || State::kRandom;
  int32_t changed = 0;
  SOUL_INDEPENDENT
  for (int32_t i = 0; i < length; ++i) {
    const auto element = first + static_cast<uint32_t>(i);
    const uint32_t random = kRandom ? RoundingBits(key, element) : 0;
    const uint32_t square_random = State::kRandom ? RoundingBits(square_key, element) : 0;
    const uint32_t still = kSomeFrozen ? frozen[i] : 0;
    const AdamWUpdate update =
        AdamWStep(values.Load(i), State::Load(average[i]), State::Load(square_average[i]),
                  Values::Gradient::Load(gradients[i]), c);
    average[i] = Stay(average[i], State::Round(update.average, random >> 16), still);
    square_average[i] = Stay(square_average[i], State::Round(update.square_average, square_random), still);
    changed += values.Store(i, update.value, random, still);
  }
  return {length, 0, changed, 0};
}

StepCounts StepAdamW(const AdamWMemory& memory, const AdamWCoefficients& coefficients, const StepPass& pass,
                     int64_t begin, int64_t end) {
  StepCounts counts;
  FrozenBlock block;
  ForBlocks(begin, end, [&](int64_t from, int32_t length) {
    const Frozen frozen = block.Read(memory.frozen, from, length);
    const uint32_t* words = frozen == Frozen::kSome ? block.words() : nullptr;
    if (frozen != Frozen::kAll) {
      counts.stepped -= block.frozen();
      if (pass.sum_squares) counts.square_sum += GradientSquares(memory.gradients, words, from, length);
      const RandomKey key = BlockKey(pass.rounding, Purpose::kStep, from);
      const RandomKey square_key = BlockKey(pass.rounding, Purpose::kSecondState, from);
      counts += WithStorage(memory, memory.average.dtype, pass.rounding.stochastic, from,
                            [&]<typename Values, typename State>(const Values& values, State) {
                              using Gradient = typename Values::Gradient::Element;
                              using Element = typename State::Element;
                              const auto step = words == nullptr ? StepAdamWBlock<Values, State, false>
                                                                 : StepAdamWBlock<Values, State, true>;
                              return step(values, At<Gradient>(memory.gradients, from),
                                          At<Element>(memory.average, from),
                                          At<Element>(memory.square_average, from), words, coefficients, key,
                                          square_key, static_cast<uint32_t>(from), length);
                            });
    }
    if (pass.zero_gradients) ZeroBlock(memory.gradients, from, length);
  });
  return counts;
}

}  // namespace
}  // namespace soul::SOUL_PATH
