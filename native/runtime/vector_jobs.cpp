#include "runtime/vector_jobs.h"

#include <cstring>
#include <limits>
#include <optional>

#include "kernels/cpu/kernels.h"
#include "runtime/chunks.h"
#include "runtime/order_statistic.h"

namespace soul {

int64_t CountNonFinite(ThreadPool& pool, const Elements& elements, int64_t length) {
  return SumOfChunks<int64_t>(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end) {
    return kernels.count_non_finite(elements, begin, end);
  });
}

double InnerProduct(ThreadPool& pool, const Elements& a, const Elements& b, int64_t length) {
  return SumOfChunks<double>(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end) {
    return kernels.inner_product(a, b, begin, end);
  });
}

InnerProducts ProductsOfPairs(ThreadPool& pool, const Elements* vectors, int32_t count, int64_t length) {
  return SumOfChunks<InnerProducts>(pool, 0, length,
                                    [&, &kernels = ActiveKernels()](int64_t begin, int64_t end) {
                                      return kernels.products_of_pairs(vectors, count, begin, end);
                                    });
}

void AddScaled(ThreadPool& pool, float alpha, const Elements& x, const Elements& y, const Rounding& rounding,
               int64_t length) {
  ForChunks(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end, int) {
    kernels.add_scaled(alpha, x, y, rounding, begin, end);
  });
}

void AddSign(ThreadPool& pool, float alpha, const Elements& x, const Elements& y, const Rounding& rounding,
             int64_t length) {
  ForChunks(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end, int) {
    kernels.add_sign(alpha, x, y, rounding, begin, end);
  });
}

void AddNormal(ThreadPool& pool, float factor, const NormalDraws& draws, const Elements& source,
               const Elements& target, FrozenMask frozen, const Rounding& rounding, int64_t length) {
  ForChunks(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end, int) {
    kernels.add_normal(factor, draws, source, target, frozen, rounding, begin, end);
  });
}

void Scale(ThreadPool& pool, float factor, const Elements& y, const Rounding& rounding, int64_t length) {
  ForChunks(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end, int) {
    kernels.scale(factor, y, rounding, begin, end);
  });
}

void SoftThreshold(ThreadPool& pool, float by, const Elements& y, FrozenMask frozen, const Rounding& rounding,
                   int64_t length) {
  ForChunks(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end, int) {
    kernels.soft_threshold(by, y, frozen, rounding, begin, end);
  });
}

void FillFrozen(ThreadPool& pool, const Elements& elements, FrozenMask frozen, float value, int64_t length) {
  ForChunks(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end, int) {
    kernels.fill_frozen(elements, frozen, value, begin, end);
  });
}

void Cast(ThreadPool& pool, const Elements& source, const Elements& target, const Rounding& rounding,
          int64_t length) {
  const std::size_t size = SizeOf(source.dtype);
  if (source.dtype == target.dtype) {
    if (length > 0) std::memmove(target.data, source.data, static_cast<std::size_t>(length) * size);
    return;
  }
  ForChunks(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end, int) {
    kernels.cast(source, target, rounding, begin, end);
  });
}

double Quantile(ThreadPool& pool, const MagnitudeTerms& terms, double fraction, int64_t length) {
  const std::optional<uint32_t> key =
      KeyReachedBy(pool, {{0, length}}, fraction,
                   [&, &kernels = ActiveKernels()](int64_t from, int32_t count, uint32_t* keys) {
                     kernels.magnitude_keys(terms, from, count, keys);
                   });
  return key ? static_cast<double>(FloatFromBits(*key)) : std::numeric_limits<double>::quiet_NaN();
}

void MaskZeros(ThreadPool& pool, const Elements& elements, uint8_t* mask, int64_t length) {
  ForChunks(pool, 0, length, [&, &kernels = ActiveKernels()](int64_t begin, int64_t end, int) {
    kernels.mask_zeros(elements, mask, begin, end);
  });
}

}  // namespace soul
