// Elements of one dtype as elements of another.
#pragma once

#include "kernels/cuda/vector_parameters.h"
#include "kernels/cuda/vector_walk.cuh"

namespace soul {

template <typename Source, typename Target>
class CastWork {
 public:
  SOUL_DEVICE explicit CastWork(const CastParameters& p) : p_(p), draws_(p.rounding, Purpose::kCast) {}

  template <int kCount>
  using Loaded = Group<Source, kCount>;
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index) const {
    return LoadGroup<kCount, Source>(p_.source, index);
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& source) {
    uint32_t random[kCount];
    draws_.Fill(p_.first + index, random);
    Group<Target, kCount> target;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      target.Put(i, RoundedBits<Target>(source.Value(i), draws_.stochastic(), random[i]));
    }
    StoreGroup(p_.target, index, target);
  }

 private:
  const CastParameters& p_;
  Draws draws_;
};

template <typename Source, typename Target>
SOUL_DEVICE void Cast(const CastParameters& p) {
  CastWork<Source, Target> work(p);
  WalkVectors<Source, Target>(work, p.length, p.source, p.target);
}

}  // namespace soul
