// AdamW's step.
#pragma once

#include "kernels/adamw.h"
#include "kernels/cuda/pairs.cuh"
#include "kernels/cuda/step_ranges.cuh"

namespace soul {

template <typename Value, bool kMaster, typename State>
class AdamWWork {
 public:
  static constexpr bool kNarrow = sizeof(Value) == 2 && sizeof(State) == 2 && !kMaster;
  static constexpr int kGroup = kNarrow ? kNarrowGroup : kMixedGroup;
  static constexpr bool kRounds = sizeof(State) == 2 || (sizeof(Value) == 2 && !kMaster);

  template <int kCount>
  struct Loaded {
    LoadedParameters<Value, kMaster, kCount> parameters;
    Group<State, kCount> average;
    Group<State, kCount> square_average;
  };

  SOUL_DEVICE AdamWWork(const AdamWParameters& parameters, const AdamWPlan& plan)
      : parameters_(parameters),
        coefficients_(plan.coefficients),
        draws_({kRounds && parameters.stochastic, parameters.seed, static_cast<uint64_t>(plan.step)},
               Purpose::kStep),
        square_draws_(
            {sizeof(State) == 2 && parameters.stochastic, parameters.seed, static_cast<uint64_t>(plan.step)},
            Purpose::kSecondState) {}

  SOUL_DEVICE int32_t Head(int64_t begin) const {
    CommonHead<kGroup> head;
    head.Add(static_cast<const Value*>(parameters_.values) + begin, sizeof(Value));
    if constexpr (kMaster) head.Add(parameters_.master + begin, sizeof(float));
    head.Add(static_cast<const Value*>(parameters_.gradients) + begin, sizeof(Value));
    head.Add(static_cast<const State*>(parameters_.first_state) + begin, sizeof(State));
    head.Add(static_cast<const State*>(parameters_.second_state) + begin, sizeof(State));
    return head.head();
  }

  SOUL_DEVICE void Begin(const StepRange& range) {
    coefficients_.step_size = ToFloat(range.learning_rate / parameters_.plan->correction);
    coefficients_.keep = range.keep;
  }
  SOUL_DEVICE void End(int32_t range) { tally.Leave(parameters_.counts + range * kCountsOfRange); }

  SOUL_DEVICE FrozenMask mask() const { return parameters_.frozen; }

  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index, uint32_t frozen) const {
    Loaded<kCount> loaded;
    loaded.parameters.Load(parameters_, index, frozen);
    loaded.average = LoadGroup<kCount, State>(parameters_.first_state, index);
    loaded.square_average = LoadGroup<kCount, State>(parameters_.second_state, index);
    return loaded;
  }

  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& loaded) {
    Stepped<kCount> stepped;
    if constexpr (kNarrow && kCount > 1) {
      if (loaded.parameters.frozen == 0) {
        if (parameters_.stochastic) {
          StepPairs<true>(index, loaded, &stepped);
        } else {
          StepPairs<false>(index, loaded, &stepped);
        }
        Store(index, loaded, stepped);
        return;
      }
    }
    StepElements(index, loaded, &stepped);
    Store(index, loaded, stepped);
  }

  template <int kCount>
  SOUL_DEVICE void Skip(int64_t index) const {
    if (parameters_.zero_gradients) StoreZeros<Value, kCount>(parameters_.gradients, index);
  }

  StepTally tally;

 private:
  template <int kCount>
  struct Stepped {
    SteppedParameters<Value, kMaster, kCount> parameters;
    Group<State, kCount> average;
    Group<State, kCount> square_average;
  };

  template <int kCount>
  SOUL_DEVICE AdamWUpdate UpdateAt(int i, const Loaded<kCount>& loaded) const {
    return AdamWStep(loaded.parameters.Old(i), loaded.average.Value(i), loaded.square_average.Value(i),
                     loaded.parameters.gradients.Value(i), coefficients_);
  }

  template <int kCount>
  SOUL_DEVICE void StepElements(int64_t index, const Loaded<kCount>& loaded, Stepped<kCount>* stepped) {
    const LoadedParameters<Value, kMaster, kCount>& old = loaded.parameters;
    uint32_t random[kCount];
    draws_.template Fill<kCount>(index, random);
    uint32_t square_random[kCount];
    square_draws_.template Fill<kCount>(index, square_random);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const bool frozen = old.IsFrozen(i);
      const AdamWUpdate update = UpdateAt(i, loaded);
      const uint32_t rounded = RoundedBits<State>(update.average, draws_.stochastic(), random[i] >> 16);
      stepped->average.Put(i, frozen ? loaded.average.Bits(i) : rounded);
      const uint32_t square_rounded =
          RoundedBits<State>(update.square_average, square_draws_.stochastic(), square_random[i]);
      stepped->square_average.Put(i, frozen ? loaded.square_average.Bits(i) : square_rounded);
      stepped->parameters.Put(i, update.value, old, draws_.stochastic(), random[i], &tally);
    }
  }

  // The same where everything is bfloat16 and nothing frozen.
  template <bool kStochastic, int kCount>
  SOUL_DEVICE void StepPairs(int64_t index, const Loaded<kCount>& loaded, Stepped<kCount>* stepped) {
    uint32_t random[kCount];
    draws_.template Fill<kCount>(index, random);
    uint32_t square_random[kCount];
    square_draws_.template Fill<kCount>(index, square_random);
#pragma unroll
    for (int k = 0; k < kCount; k += 2) {
      uint32_t values[2];
      uint32_t average[2];
      uint32_t square_average[2];
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const int i = k + j;
        const AdamWUpdate update = UpdateAt(i, loaded);
        average[j] = RoundedResult<kStochastic>(update.average, random[i] >> 16);
        square_average[j] = RoundedResult<kStochastic>(update.square_average, square_random[i]);
        values[j] = RoundedResult<kStochastic>(update.value, random[i]);
      }
      stepped->parameters.values.words[k / 2] = PairOf(values[0], values[1]);
      stepped->average.words[k / 2] = PairOf(average[0], average[1]);
      stepped->square_average.words[k / 2] = PairOf(square_average[0], square_average[1]);
    }
    tally.stepped += kCount;
    tally.changed += CountDiffering(loaded.parameters.values, stepped->parameters.values);
  }

  template <int kCount>
  SOUL_DEVICE void Store(int64_t index, const Loaded<kCount>& loaded, const Stepped<kCount>& stepped) {
    const LoadedParameters<Value, kMaster, kCount>& old = loaded.parameters;
    if (parameters_.square_sums != nullptr) {
      tally.square_sum = AddSquares(tally.square_sum, old.gradients, old.frozen);
    }
    stepped.parameters.Store(parameters_, index);
    StoreGroup(parameters_.first_state, index, stepped.average);
    StoreGroup(parameters_.second_state, index, stepped.square_average);
  }

  const AdamWParameters& parameters_;
  AdamWCoefficients coefficients_;
  Draws draws_;
  Draws square_draws_;
};

template <typename Value, bool kMaster, typename State>
SOUL_DEVICE void StepAdamW(const AdamWParameters& parameters) {
  const AdamWPlan plan = *parameters.plan;
  if (plan.error != StepError::kNone || plan.skip) return;
  AdamWWork<Value, kMaster, State> work(parameters, plan);
  WalkRanges(parameters.ranges, work);
  work.tally.LeaveSquares(parameters.square_sums);
}

}  // namespace soul
