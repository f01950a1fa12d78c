// Jobs on flat buffers as vectors. They run on the dispatcher's thread and share their work out to the pool;
// sums are the same bits for any number of threads.
#pragma once

#include <cstdint>

#include "kernels/memory.h"
#include "kernels/normal.h"
#include "kernels/vectors.h"
#include "runtime/thread_pool.h"

namespace soul {

// How many elements are NaN or infinite.
int64_t CountNonFinite(ThreadPool& pool, const Elements& elements, int64_t length);

// A buffer's with itself is its squared norm.
double InnerProduct(ThreadPool& pool, const Elements& a, const Elements& b, int64_t length);
InnerProducts ProductsOfPairs(ThreadPool& pool, const Elements* vectors, int32_t count, int64_t length);

// y <- alpha * x + y, rounded to y's dtype; x may be y.
void AddScaled(ThreadPool& pool, float alpha, const Elements& x, const Elements& y, const Rounding& rounding,
               int64_t length);
// y <- alpha * sign(x) + y, rounded to y's dtype; x may be y.
void AddSign(ThreadPool& pool, float alpha, const Elements& x, const Elements& y, const Rounding& rounding,
             int64_t length);
// target <- source + factor * z, z the draws' standard normal numbers, 0 for frozen elements; rounded to the
// target's dtype; the source may be the target.
void AddNormal(ThreadPool& pool, float factor, const NormalDraws& draws, const Elements& source,
               const Elements& target, FrozenMask frozen, const Rounding& rounding, int64_t length);
void Scale(ThreadPool& pool, float factor, const Elements& y, const Rounding& rounding, int64_t length);
// y <- sign(y) * max(|y| - by, 0), rounded to y's dtype; frozen elements stay.
void SoftThreshold(ThreadPool& pool, float by, const Elements& y, FrozenMask frozen, const Rounding& rounding,
                   int64_t length);
// Frozen elements become the value, rounded to the nearest; the others stay.
void FillFrozen(ThreadPool& pool, const Elements& elements, FrozenMask frozen, float value, int64_t length);
// target <- source, rounded to the target's dtype; the two are apart, or the same memory's dtype is one.
void Cast(ThreadPool& pool, const Elements& source, const Elements& target, const Rounding& rounding,
          int64_t length);

// The magnitude that a fraction of all reaches, at least one of them; NaN when there are none. NaN and ratios
// to negative numbers are left out.
double Quantile(ThreadPool& pool, const MagnitudeTerms& terms, double fraction, int64_t length);

// Bit i % 8 of byte i / 8: whether element i is 0. Bits past the end are cleared.
void MaskZeros(ThreadPool& pool, const Elements& elements, uint8_t* mask, int64_t length);

}  // namespace soul
