// exp, log and random bits of each element: what other rules are made of, for tests of their bits.
#pragma once

#include "kernels/cuda/vector_parameters.h"
#include "kernels/cuda/vector_walk.cuh"

namespace soul {

class FunctionWork {
 public:
  SOUL_DEVICE explicit FunctionWork(const FunctionParameters& p) : p_(p) {}

  template <int kCount>
  using Loaded = Group<float, kCount>;
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index) const {
    return LoadGroup<kCount, float>(p_.input, index);
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& input) {
    Group<float, kCount> output;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float x = input.Value(i);
      output.Put(i, FloatBits(p_.function == MathFunction::kExp ? Exp(x) : Log(x)));
    }
    StoreGroup(p_.output, index, output);
  }

 private:
  const FunctionParameters& p_;
};

SOUL_DEVICE void Elementwise(const FunctionParameters& p) {
  FunctionWork work(p);
  WalkVectors<float, float>(work, p.length, p.input, p.output);
}

class RandomBitsWork {
 public:
  SOUL_DEVICE explicit RandomBitsWork(const RandomBitsParameters& p) : p_(p), key_(KeyOf(p.seed, p.row)) {}

  template <int kCount>
  struct Loaded {};
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t) const {
    return {};
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>&) {
    Group<float, kCount> bits;
#pragma unroll
    for (int i = 0; i < kCount; ++i) bits.Put(i, RandomBits(key_, static_cast<uint32_t>(index + i)));
    StoreGroup(p_.bits, index, bits);
  }

 private:
  const RandomBitsParameters& p_;
  const RandomKey key_;
};

SOUL_DEVICE void FillRandomBits(const RandomBitsParameters& p) {
  RandomBitsWork work(p);
  WalkVectors<float>(work, p.length, p.bits);
}

}  // namespace soul
