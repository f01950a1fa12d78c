// One pass of a search for the k-th largest of |a|, |a * b| or |a| / b.
#pragma once

#include "kernels/cuda/order_statistic.cuh"
#include "kernels/cuda/vector_parameters.h"
#include "kernels/cuda/vector_walk.cuh"

namespace soul {

template <typename A>
class MagnitudesWork {
 public:
  SOUL_DEVICE MagnitudesWork(const MagnitudesParameters& p, KeyCounter& counter) : p_(p), counter_(counter) {}

  template <int kCount>
  using Loaded = Group<A, kCount>;
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index) const {
    return LoadGroup<kCount, A>(p_.a, index);
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t, const Loaded<kCount>& a) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) counter_.Add(MagnitudeKey(a.Value(i), true));
  }

 private:
  const MagnitudesParameters& p_;
  KeyCounter& counter_;
};

template <typename A, typename B>
class PairMagnitudesWork {
 public:
  SOUL_DEVICE PairMagnitudesWork(const MagnitudesParameters& p, KeyCounter& counter)
      : p_(p), counter_(counter) {}

  template <int kCount>
  struct Loaded {
    Group<A, kCount> a;
    Group<B, kCount> b;
  };
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index) const {
    return {LoadGroup<kCount, A>(p_.a, index), LoadGroup<kCount, B>(p_.b, index)};
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t, const Loaded<kCount>& loaded) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float a = loaded.a.Value(i);
      const float b = loaded.b.Value(i);
      counter_.Add(p_.of == MagnitudeOf::kProduct ? MagnitudeKey(a * b, true)
                                                  : MagnitudeKey(a / b, b >= 0.0f));
    }
  }

 private:
  const MagnitudesParameters& p_;
  KeyCounter& counter_;
};

template <typename A>
SOUL_DEVICE void CountMagnitudes(const MagnitudesParameters& p) {
  SOUL_SHARED(uint32_t, bins, kMostBins);
  KeyCounter counter(bins, *p.search, p.pass);
  MagnitudesWork<A> work(p, counter);
  WalkVectors<A>(work, p.length, p.a);
  counter.Finish(p.search, p.pass);
}

template <typename A, typename B>
SOUL_DEVICE void CountPairMagnitudes(const MagnitudesParameters& p) {
  SOUL_SHARED(uint32_t, bins, kMostBins);
  KeyCounter counter(bins, *p.search, p.pass);
  PairMagnitudesWork<A, B> work(p, counter);
  WalkVectors<A, B>(work, p.length, p.a, p.b);
  counter.Finish(p.search, p.pass);
}

}  // namespace soul
