// One value in place of frozen elements.
#pragma once

#include "kernels/cuda/vector_parameters.h"
#include "kernels/cuda/vector_walk.cuh"

namespace soul {

template <typename Element>
class FillFrozenWork {
 public:
  SOUL_DEVICE explicit FillFrozenWork(const FillFrozenParameters& p) : p_(p) {}

  SOUL_DEVICE FrozenMask mask() const { return p_.frozen; }

  // Only groups that are frozen in part are read, and only frozen ones written.
  template <int kCount>
  struct Loaded {
    Group<Element, kCount> elements;
    uint32_t frozen;
  };
  template <int kCount>
  SOUL_DEVICE Loaded<kCount> Load(int64_t index, uint32_t frozen) const {
    Loaded<kCount> loaded{};
    if (frozen == 0) return loaded;
    return {LoadGroup<kCount, Element>(p_.elements, index), frozen};
  }
  template <int kCount>
  SOUL_DEVICE void Skip(int64_t index) const {
    Group<Element, kCount> filled;
#pragma unroll
    for (int i = 0; i < kCount; ++i) filled.Put(i, p_.bits);
    StoreGroup(p_.elements, index, filled);
  }
  template <int kCount>
  SOUL_DEVICE void Finish(int64_t index, const Loaded<kCount>& loaded) {
    if (loaded.frozen == 0) return;
    Group<Element, kCount> filled;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      filled.Put(i, (loaded.frozen >> i & 1u) != 0 ? p_.bits : loaded.elements.Bits(i));
    }
    StoreGroup(p_.elements, index, filled);
  }

 private:
  const FillFrozenParameters& p_;
};

template <typename Element>
SOUL_DEVICE void FillFrozen(const FillFrozenParameters& p) {
  FillFrozenWork<Element> work(p);
  WalkVectors<Element>(work, p.length, p.elements);
}

}  // namespace soul
