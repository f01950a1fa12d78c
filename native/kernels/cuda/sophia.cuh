// Sophia's step, with an estimate of the Hessian in the same pass where there is one.
#pragma once

#include <type_traits>

#include "kernels/cuda/pairs.cuh"
#include "kernels/cuda/step_ranges.cuh"
#include "kernels/sophia.h"

namespace soul {

// Where an estimate comes from: nowhere, the gradients, or another buffer of floats or bfloat16 (its type).
struct NoEstimate;
struct OwnGradients;

template <typename Value, bool kMaster, typename State, typename Estimate>
class SophiaWork {
 public:
  static constexpr bool kEstimates = !std::is_same_v<Estimate, NoEstimate>;
  static constexpr bool kReadsEstimates = kEstimates && !std::is_same_v<Estimate, OwnGradients>;
  static constexpr bool kNarrow =
      sizeof(Value) == 2 && sizeof(State) == 2 && !kMaster && !std::is_same_v<Estimate, float>;
  static constexpr int kGroup = kNarrow ? kNarrowGroup : kMixedGroup;
  static constexpr bool kRounds = sizeof(State) == 2 || (sizeof(Value) == 2 && !kMaster);

  template <int kCount>
  struct Loaded {
    LoadedParameters<Value, kMaster, kCount> parameters;
    Group<State, kCount> momentum;
    Group<State, kCount> hessian;
    GroupIf<kReadsEstimates, Estimate, kCount> estimates;
  };

  SOUL_DEVICE SophiaWork(const SophiaParameters& parameters, const SophiaPlan& plan)
      : parameters_(parameters),
        decay_(plan.decay),
        scale_(plan.scale),
        coefficients_(plan.coefficients),
        draws_({kRounds && parameters.stochastic, parameters.seed, static_cast<uint64_t>(plan.step)},
               Purpose::kStep),
        hessian_draws_({kEstimates && sizeof(State) == 2 && parameters.stochastic, parameters.seed,
                        static_cast<uint64_t>(plan.step)},
                       Purpose::kSecondState) {}

  SOUL_DEVICE int32_t Head(int64_t begin) const {
    CommonHead<kGroup> head;
    head.Add(static_cast<const Value*>(parameters_.values) + begin, sizeof(Value));
    if constexpr (kMaster) head.Add(parameters_.master + begin, sizeof(float));
    head.Add(static_cast<const Value*>(parameters_.gradients) + begin, sizeof(Value));
    head.Add(static_cast<const State*>(parameters_.first_state) + begin, sizeof(State));
    head.Add(static_cast<const State*>(parameters_.second_state) + begin, sizeof(State));
    if constexpr (kReadsEstimates) {
      head.Add(static_cast<const Estimate*>(parameters_.estimates) + begin, sizeof(Estimate));
    }
    return head.head();
  }

  SOUL_DEVICE void Begin(const StepRange& range) {
    coefficients_.learning_rate = ToFloat(range.learning_rate);
    coefficients_.keep = range.keep;
  }
  SOUL_DEVICE void End(int32_t range) { tally.Leave(parameters_.counts + range * kCountsOfRange); }

  SOUL_DEVICE FrozenMask mask() const { return parameters_.frozen; }

  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index, uint32_t frozen) const {
    Loaded<kCount> loaded;
    loaded.parameters.Load(parameters_, index, frozen);
    loaded.momentum = LoadGroup<kCount, State>(parameters_.first_state, index);
    loaded.hessian = LoadGroup<kCount, State>(parameters_.second_state, index);
    if constexpr (kReadsEstimates) {
      loaded.estimates = LoadGroup<kCount, Estimate>(parameters_.estimates, index);
    }
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
    Group<State, kCount> momentum;
    Group<State, kCount> hessian;  // where there is an estimate
  };

  template <int kCount>
  SOUL_DEVICE float EstimateAt(int i, const Loaded<kCount>& loaded) const {
    if constexpr (kReadsEstimates) {
      return loaded.estimates.Value(i);
    } else {
      return loaded.parameters.gradients.Value(i);
    }
  }

  template <int kCount>
  SOUL_DEVICE void StepElements(int64_t index, const Loaded<kCount>& loaded, Stepped<kCount>* stepped) {
    const LoadedParameters<Value, kMaster, kCount>& old = loaded.parameters;
    uint32_t random[kCount];
    draws_.template Fill<kCount>(index, random);
    uint32_t hessian_random[kCount];
    hessian_draws_.template Fill<kCount>(index, hessian_random);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const bool frozen = old.IsFrozen(i);
      // As it is stored: the step reads what the estimate has left.
      float h = loaded.hessian.Value(i);
      if constexpr (kEstimates) {
        const float average = HessianAverage(h, EstimateAt(i, loaded), decay_, scale_);
        const uint32_t rounded = RoundedBits<State>(average, hessian_draws_.stochastic(), hessian_random[i]);
        const uint32_t stored = frozen ? loaded.hessian.Bits(i) : rounded;
        stepped->hessian.Put(i, stored);
        h = ValueOfBits<State>(stored);
      }
      const SophiaUpdate update =
          SophiaStep(old.Old(i), loaded.momentum.Value(i), h, old.gradients.Value(i), coefficients_);
      const uint32_t rounded = RoundedBits<State>(update.momentum, draws_.stochastic(), random[i] >> 16);
      stepped->momentum.Put(i, frozen ? loaded.momentum.Bits(i) : rounded);
      stepped->parameters.Put(i, update.value, old, draws_.stochastic(), random[i], &tally);
      tally.clipped += frozen ? 0 : static_cast<uint32_t>(update.clipped);
    }
  }

  // The same where everything is bfloat16 and nothing frozen.
  template <bool kStochastic, int kCount>
  SOUL_DEVICE void StepPairs(int64_t index, const Loaded<kCount>& loaded, Stepped<kCount>* stepped) {
    const LoadedParameters<Value, kMaster, kCount>& old = loaded.parameters;
    uint32_t random[kCount];
    draws_.template Fill<kCount>(index, random);
    uint32_t hessian_random[kCount];
    hessian_draws_.template Fill<kCount>(index, hessian_random);
#pragma unroll
    for (int k = 0; k < kCount; k += 2) {
      uint32_t values[2];
      uint32_t momentum[2];
      uint32_t hessian[2];
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const int i = k + j;
        float h = loaded.hessian.Value(i);
        if constexpr (kEstimates) {
          const float average = HessianAverage(h, EstimateAt(i, loaded), decay_, scale_);
          hessian[j] = RoundedResult<kStochastic>(average, hessian_random[i]);
          h = FloatFromBits(hessian[j] & 0xffff0000u);
        }
        const SophiaUpdate update =
            SophiaStep(old.Old(i), loaded.momentum.Value(i), h, old.gradients.Value(i), coefficients_);
        momentum[j] = RoundedResult<kStochastic>(update.momentum, random[i] >> 16);
        values[j] = RoundedResult<kStochastic>(update.value, random[i]);
        tally.clipped += static_cast<uint32_t>(update.clipped);
      }
      stepped->parameters.values.words[k / 2] = PairOf(values[0], values[1]);
      stepped->momentum.words[k / 2] = PairOf(momentum[0], momentum[1]);
      if constexpr (kEstimates) stepped->hessian.words[k / 2] = PairOf(hessian[0], hessian[1]);
    }
    tally.stepped += kCount;
    tally.changed += CountDiffering(old.values, stepped->parameters.values);
  }

  template <int kCount>
  SOUL_DEVICE void Store(int64_t index, const Loaded<kCount>& loaded, const Stepped<kCount>& stepped) {
    const LoadedParameters<Value, kMaster, kCount>& old = loaded.parameters;
    stepped.parameters.Store(parameters_, index);
    StoreGroup(parameters_.first_state, index, stepped.momentum);
    if constexpr (kEstimates) StoreGroup(parameters_.second_state, index, stepped.hessian);
    // Last: what is stored needs no registers any more, which one kernel lacked on 12.0.
    if (parameters_.square_sums != nullptr) {
      tally.square_sum = AddSquares(tally.square_sum, old.gradients, old.frozen);
    }
  }

  const SophiaParameters& parameters_;
  const float decay_;
  const float scale_;
  SophiaCoefficients coefficients_;
  Draws draws_;
  Draws hessian_draws_;
};

template <typename Value, bool kMaster, typename State, typename Estimate>
SOUL_DEVICE void StepSophia(const SophiaParameters& parameters) {
  const SophiaPlan plan = *parameters.plan;
  if (plan.error != StepError::kNone || plan.skip) return;
  SophiaWork<Value, kMaster, State, Estimate> work(parameters, plan);
  WalkRanges(parameters.ranges, work);
  work.tally.LeaveSquares(parameters.square_sums);
}

}  // namespace soul
