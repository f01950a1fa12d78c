// y <- alpha * x + y and y <- factor * y, rounded to y's dtype.
#pragma once

#include "kernels/cuda/vector_parameters.h"
#include "kernels/cuda/vector_walk.cuh"

namespace soul {

template <typename X, typename Y>
class AxpyWork {
 public:
  SOUL_DEVICE explicit AxpyWork(const AxpyParameters& p) : p_(p), draws_(p.rounding, Purpose::kCast) {}

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
      const float sum = p_.alpha * loaded.x.Value(i) + loaded.y.Value(i);
      sums.Put(i, RoundedBits<Y>(sum, draws_.stochastic(), random[i]));
    }
    StoreGroup(p_.y, index, sums);
  }

 private:
  const AxpyParameters& p_;
  Draws draws_;
};

template <typename X, typename Y>
SOUL_DEVICE void AddScaled(const AxpyParameters& p) {
  AxpyWork<X, Y> work(p);
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
      products.Put(i, RoundedBits<Y>(p_.factor * y.Value(i), draws_.stochastic(), random[i]));
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

}  // namespace soul
