// An estimate goes into the Hessian's average, apart from a step.
#pragma once

#include "kernels/cuda/optimizer_parameters.h"
#include "kernels/cuda/streams.cuh"
#include "kernels/sophia.h"

namespace soul {

template <typename State, typename Gradient>
class HessianWork {
 public:
  static constexpr int kGroup = sizeof(State) == 2 && sizeof(Gradient) == 2 ? kNarrowGroup : kMixedGroup;

  template <int kCount>
  struct Loaded {
    Group<State, kCount> hessian;
    Group<Gradient, kCount> gradients;
    uint32_t frozen;
  };

  SOUL_DEVICE HessianWork(const HessianParameters& parameters, const HessianPlan& plan)
      : parameters_(parameters),
        plan_(plan),
        draws_({sizeof(State) == 2 && parameters.stochastic, parameters.seed, plan.count},
               Purpose::kEstimate) {}

  SOUL_DEVICE FrozenMask mask() const { return parameters_.frozen; }

  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index, uint32_t frozen) const {
    return {LoadGroup<kCount, State>(parameters_.hessian, index),
            LoadGroup<kCount, Gradient>(parameters_.gradients, index), frozen};
  }

  template <int kCount>
  SOUL_DEVICE void Skip(int64_t) const {}

  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& loaded) {
    uint32_t random[kCount];
    draws_.template Fill<kCount>(index, random);
    Group<State, kCount> hessian;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float average =
          HessianAverage(loaded.hessian.Value(i), loaded.gradients.Value(i), plan_.decay, plan_.scale);
      const uint32_t rounded = RoundedBits<State>(average, draws_.stochastic(), random[i]);
      const bool frozen = (loaded.frozen >> i & 1u) != 0;
      hessian.Put(i, frozen ? loaded.hessian.Bits(i) : plan_.zero ? 0 : rounded);
    }
    StoreGroup(parameters_.hessian, index, hessian);
  }

 private:
  const HessianParameters& parameters_;
  const HessianPlan& plan_;
  Draws draws_;
};

template <typename State, typename Gradient>
SOUL_DEVICE void UpdateHessian(const HessianParameters& parameters) {
  const HessianPlan plan = *parameters.plan;
  if (plan.error != StepError::kNone || (plan.skip && !plan.zero)) return;
  HessianWork<State, Gradient> work(parameters, plan);
  constexpr int kGroup = HessianWork<State, Gradient>::kGroup;
  CommonHead<kGroup> head;
  head.Add(parameters.hessian, sizeof(State));
  head.Add(parameters.gradients, sizeof(Gradient));
  WalkTiles<kGroup>(CutOf(0, parameters.length, head.head(), kGroup), work);
}

}  // namespace soul
