// The search for the rho that clips a given fraction of weights. It happens once in a run, so one kernel of
// each kind serves every dtype.
#pragma once

#include "kernels/clipping_ratio.h"
#include "kernels/cuda/order_statistic.cuh"
#include "kernels/cuda/step_ranges.cuh"

namespace soul {

// Elements of either dtype as floats.
template <int kCount>
SOUL_DEVICE Group<float, kCount> LoadFloats(const Elements& elements, int64_t index) {
  if (elements.dtype == DType::kFloat32) return LoadGroup<kCount, float>(elements.data, index);
  const Group<uint16_t, kCount> halves = LoadGroup<kCount, uint16_t>(elements.data, index);
  Group<float, kCount> floats;
#pragma unroll
  for (int i = 0; i < kCount; ++i) floats.Put(i, FloatBits(halves.Value(i)));
  return floats;
}

SOUL_DEVICE void AddToHead(const Elements& elements, int64_t begin, CommonHead<kMixedGroup>* head) {
  if (elements.data == nullptr) return;
  const auto size = static_cast<int32_t>(SizeOf(elements.dtype));
  head->Add(static_cast<const char*>(elements.data) + begin * size, size);
}

// h as the step will leave it, before it is rounded.
template <int kCount>
struct LoadedHessian {
  Group<float, kCount> hessian;
  Group<float, kCount> estimates;
  uint32_t frozen;

  SOUL_DEVICE void Load(const ClippingParameters& parameters, int64_t index, uint32_t frozen_bits) {
    hessian = LoadFloats<kCount>(parameters.hessian, index);
    estimates = hessian;
    if (parameters.estimates.data != nullptr) estimates = LoadFloats<kCount>(parameters.estimates, index);
    frozen = frozen_bits;
  }

  SOUL_DEVICE float Value(int i, const ClippingParameters& parameters, const SophiaPlan& plan) const {
    return parameters.estimates.data == nullptr
               ? hessian.Value(i)
               : HessianAverage(hessian.Value(i), estimates.Value(i), plan.decay, plan.scale);
  }
  SOUL_DEVICE bool IsFrozen(int i) const { return (frozen >> i & 1u) != 0; }
};

// What both walks over ranges have in common.
class ClippingWork {
 public:
  static constexpr int kGroup = kMixedGroup;

  SOUL_DEVICE ClippingWork(const ClippingParameters& parameters, const SophiaPlan& plan)
      : parameters_(parameters), plan_(plan) {}

  SOUL_DEVICE int32_t Head(int64_t begin) const {
    CommonHead<kGroup> head;
    AddToHead(parameters_.hessian, begin, &head);
    AddToHead(parameters_.estimates, begin, &head);
    AddToHead(parameters_.momentum, begin, &head);
    AddToHead(parameters_.gradients, begin, &head);
    return head.head();
  }

  SOUL_DEVICE FrozenMask mask() const { return parameters_.frozen; }
  template <int kCount>
  SOUL_DEVICE void Skip(int64_t) const {}

  SOUL_DEVICE void Begin(const StepRange&) {}
  SOUL_DEVICE void End(int32_t) {}

 protected:
  const ClippingParameters& parameters_;
  const SophiaPlan& plan_;
};

class HessianSum : public ClippingWork {
 public:
  using ClippingWork::ClippingWork;

  template <int kCount>
  using Loaded = LoadedHessian<kCount>;

  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index, uint32_t frozen) const {
    Loaded<kCount> loaded;
    loaded.Load(parameters_, index, frozen);
    return loaded;
  }

  template <int kCount>
  SOUL_DEVICE void Finish(int64_t, const Loaded<kCount>& loaded) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float h = loaded.Value(i, parameters_, plan_);
      const bool counts = IsFiniteNumber(h) && !loaded.IsFrozen(i);
      sum += static_cast<double>(counts ? h : 0.0f);
      count += counts ? 1 : 0;
    }
  }

  double sum = 0;
  uint32_t count = 0;
};

class RatioCounter : public ClippingWork {
 public:
  template <int kCount>
  struct Loaded {
    LoadedHessian<kCount> hessian;
    Group<float, kCount> momentum;
    Group<float, kCount> gradients;
  };

  SOUL_DEVICE RatioCounter(const ClippingParameters& parameters, const SophiaPlan& plan, KeyCounter* counter)
      : ClippingWork(parameters, plan), least_(parameters.search->least), counter_(counter) {}

  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index, uint32_t frozen) const {
    Loaded<kCount> loaded;
    loaded.hessian.Load(parameters_, index, frozen);
    loaded.momentum = LoadFloats<kCount>(parameters_.momentum, index);
    loaded.gradients = LoadFloats<kCount>(parameters_.gradients, index);
    return loaded;
  }

  template <int kCount>
  SOUL_DEVICE void Finish(int64_t, const Loaded<kCount>& loaded) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const uint32_t key =
          ClippingRatioKey(loaded.momentum.Value(i), loaded.hessian.Value(i, parameters_, plan_),
                           loaded.gradients.Value(i), least_, plan_.coefficients);
      counter_->Add(loaded.hessian.IsFrozen(i) ? kNoKey : key);
    }
  }

 private:
  const float least_;
  KeyCounter* const counter_;
};

SOUL_DEVICE bool Searches(const SophiaPlan& plan) {
  return plan.error == StepError::kNone && plan.searches_rho;
}

SOUL_DEVICE void SumHessian(const ClippingParameters& parameters) {
  const SophiaPlan plan = *parameters.plan;
  if (!Searches(plan)) return;
  HessianSum work(parameters, plan);
  WalkRanges(parameters.ranges, work);
  const double sum = BlockSum(work.sum);
  const uint64_t count = BlockSum(static_cast<uint64_t>(work.count));
  if (ThreadIndex() == 0) parameters.partials[BlockIndex()] = {sum, count};
}

// One block.
SOUL_DEVICE void FindLeastHessian(const LeastHessianParameters& parameters) {
  if (!Searches(*parameters.plan)) return;
  HessianPartial own{};
  for (int64_t i = ThreadIndex(); i < parameters.partial_count; i += ThreadCount()) {
    own.sum += parameters.partials[i].sum;
    own.count += parameters.partials[i].count;
  }
  const double sum = BlockSum(own.sum);
  const uint64_t count = BlockSum(own.count);
  if (ThreadIndex() == 0) {
    parameters.search->least = LeastReliableHessian(sum, static_cast<int64_t>(count));
  }
}

SOUL_DEVICE void CountRatios(const ClippingParameters& parameters) {
  SOUL_SHARED(uint32_t, bins, kMostBins);
  const SophiaPlan plan = *parameters.plan;
  if (!Searches(plan)) return;
  KeyCounter counter(bins, parameters.search->order, parameters.pass);
  RatioCounter work(parameters, plan, &counter);
  WalkRanges(parameters.ranges, work);
  counter.Finish(&parameters.search->order, parameters.pass);
}

}  // namespace soul
