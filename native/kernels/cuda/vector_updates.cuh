// Updates of vectors by a rule, rounded to the dtype of what is written.
#pragma once

#include "kernels/cuda/vector_parameters.h"
#include "kernels/cuda/vector_walk.cuh"
#include "kernels/vector_rules.h"

namespace soul {

template <typename X, typename Y, typename Rule>
class CombineWork {
 public:
  SOUL_DEVICE explicit CombineWork(const AxpyParameters& p)
      : p_(p), rule_{p.alpha}, draws_(p.rounding, Purpose::kCast) {}

  template <int kCount>
  struct Loaded {
    Group<X, kCount> x;
    Group<Y, kCount> y;
  };
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index) const {
    return {LoadGroup<kCount, X>(p_.x, index), LoadGroup<kCount, Y>(p_.y, index)};
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& loaded) {
    uint32_t random[kCount];
    draws_.Fill(index, random);
    Group<Y, kCount> sums;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float sum = rule_(loaded.x.Value(i), loaded.y.Value(i));
      sums.Put(i, RoundedBits<Y>(sum, draws_.stochastic(), random[i]));
    }
    StoreGroup(p_.y, index, sums);
  }

 private:
  const AxpyParameters& p_;
  const Rule rule_;
  Draws draws_;
};

template <typename X, typename Y>
SOUL_DEVICE void AddScaled(const AxpyParameters& p) {
  CombineWork<X, Y, AddScaledRule> work(p);
  WalkVectors<X, Y>(work, p.length, p.x, p.y);
}

template <typename X, typename Y>
SOUL_DEVICE void AddSign(const AxpyParameters& p) {
  CombineWork<X, Y, AddSignRule> work(p);
  WalkVectors<X, Y>(work, p.length, p.x, p.y);
}

template <typename Y>
class ScaleWork {
 public:
  SOUL_DEVICE explicit ScaleWork(const ScaleParameters& p) : p_(p), draws_(p.rounding, Purpose::kCast) {}

  template <int kCount>
  using Loaded = Group<Y, kCount>;
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index) const {
    return LoadGroup<kCount, Y>(p_.y, index);
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& y) {
    uint32_t random[kCount];
    draws_.Fill(index, random);
    Group<Y, kCount> products;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      products.Put(i, RoundedBits<Y>(ScaleRule{p_.factor}(y.Value(i)), draws_.stochastic(), random[i]));
    }
    StoreGroup(p_.y, index, products);
  }

 private:
  const ScaleParameters& p_;
  Draws draws_;
};

template <typename Y>
SOUL_DEVICE void Scale(const ScaleParameters& p) {
  ScaleWork<Y> work(p);
  WalkVectors<Y>(work, p.length, p.y);
}

template <typename Y>
class SoftThresholdWork {
 public:
  SOUL_DEVICE explicit SoftThresholdWork(const SoftThresholdParameters& p)
      : p_(p), draws_(p.rounding, Purpose::kCast) {}

  SOUL_DEVICE FrozenMask mask() const { return p_.frozen; }

  template <int kCount>
  struct Loaded {
    Group<Y, kCount> y;
    uint32_t frozen;
  };
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index, uint32_t frozen) const {
    return {LoadGroup<kCount, Y>(p_.y, index), frozen};
  }
  template <int kCount>
  SOUL_DEVICE void Skip(int64_t) const {}
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& loaded) {
    uint32_t random[kCount];
    draws_.Fill(index, random);
    Group<Y, kCount> rest;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float value = SoftThresholdRule{p_.by}(loaded.y.Value(i));
      const bool frozen = (loaded.frozen >> i & 1u) != 0;
      rest.Put(i, frozen ? loaded.y.Bits(i) : RoundedBits<Y>(value, draws_.stochastic(), random[i]));
    }
    StoreGroup(p_.y, index, rest);
  }

 private:
  const SoftThresholdParameters& p_;
  Draws draws_;
};

template <typename Y>
SOUL_DEVICE void SoftThreshold(const SoftThresholdParameters& p) {
  SoftThresholdWork<Y> work(p);
  WalkVectors<Y>(work, p.length, p.y);
}

}  // namespace soul
