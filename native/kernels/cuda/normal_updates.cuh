// A vector and a multiple of normal numbers that are drawn as it is walked.
#pragma once

#include "kernels/cuda/vector_parameters.h"
#include "kernels/cuda/vector_walk.cuh"
#include "kernels/normal.h"
#include "kernels/vector_rules.h"

namespace soul {

// The normal numbers of elements, whose key is that of the upper half of their index: kept until that
// changes.
class Normals {
 public:
  SOUL_DEVICE explicit Normals(const NormalDraws& draws) : draws_(draws), key_(KeyOfNormals(draws, 0)) {}

  // Of elements [index, index + kCount).
  template <int kCount>
  SOUL_DEVICE void Fill(int64_t index, float (&numbers)[kCount]) {
    const auto upper = static_cast<uint32_t>(index >> 32);
    if (upper != upper_) {
      upper_ = upper;
      key_ = KeyOfNormals(draws_, upper);
    }
    const auto lower = static_cast<uint32_t>(index);
#pragma unroll
    for (int i = 0; i < kCount; ++i) numbers[i] = StandardNormal(key_, lower + static_cast<uint32_t>(i));
    if (kCount == 1 || lower <= 0xffffffffu - (kCount - 1)) return;
    // The group lies across a boundary of the upper half.
    const NormalKey next = KeyOfNormals(draws_, upper + 1);
#pragma unroll
    for (int i = 1; i < kCount; ++i) {
      const uint32_t element = lower + static_cast<uint32_t>(i);
      if (element < lower) numbers[i] = StandardNormal(next, element);
    }
  }

 private:
  const NormalDraws draws_;
  uint32_t upper_ = 0;
  NormalKey key_;
};

template <typename X, typename Y>
class AddNormalWork {
 public:
  SOUL_DEVICE explicit AddNormalWork(const AddNormalParameters& p)
      : p_(p), rule_{p.factor}, normals_(p.draws), draws_(p.rounding, Purpose::kCast) {}

  // Frozen elements are read and written too: the target may be other memory.
  template <int kCount>
  struct Loaded {
    Group<X, kCount> source;
    uint32_t frozen;
  };
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index) const {
    return {LoadGroup<kCount, X>(p_.source, index), FrozenBits<kCount>(p_.frozen, index)};
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& loaded) {
    float normals[kCount];
    normals_.Fill(index, normals);
    uint32_t random[kCount];
    draws_.Fill(index, random);
    Group<Y, kCount> sums;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float before = loaded.source.Value(i);
      const bool frozen = (loaded.frozen >> i & 1u) != 0;
      const float after = frozen ? before : rule_(before, normals[i]);
      sums.Put(i, RoundedBits<Y>(after, draws_.stochastic(), random[i]));
    }
    StoreGroup(p_.target, index, sums);
  }

 private:
  const AddNormalParameters& p_;
  const AddNormalRule rule_;
  Normals normals_;
  Draws draws_;
};

template <typename X, typename Y>
SOUL_DEVICE void AddNormal(const AddNormalParameters& p) {
  AddNormalWork<X, Y> work(p);
  WalkVectors<X, Y>(work, p.length, p.source, p.target);
}

}  // namespace soul
