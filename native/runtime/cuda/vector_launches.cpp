#include "runtime/cuda/vector_launches.h"

#include <algorithm>
#include <limits>
#include <string>

#include "kernels/cuda/tiles.h"

namespace soul::cuda {
namespace {

// Of the one block that ends a pass over memory.
constexpr int32_t kFinishThreads = 256;

std::string NameOf(DType dtype) {
  return dtype == DType::kFloat32 ? "f32" : "bf16";
}

// The dtype of all, or "mixed".
template <typename Items, typename DTypeOf>
std::string CommonName(const Items& begin, int32_t count, const DTypeOf& dtype_of) {
  const DType first = dtype_of(begin[0]);
  const bool one =
      std::all_of(begin, begin + count, [&](const auto& item) { return dtype_of(item) == first; });
  return one ? NameOf(first) : "mixed";
}

int64_t BlocksOver(const Queue& queue, int64_t length) {
  return queue.BlocksFor(TilesIn(length, queue.Threads()));
}

// Launches a kernel that walks `length` elements.
template <typename Parameters>
void Walk(Queue& queue, const std::string& name, int64_t length, const Parameters& parameters) {
  queue.Launch(DeviceCode::kVectors, name.c_str(), BlocksOver(queue, length), queue.Threads(), parameters);
}

std::shared_ptr<const PinnedMemory> EnqueueProducts(Queue& queue, const std::string& name,
                                                    ProductsParameters parameters, int32_t products) {
  const int64_t blocks = BlocksOver(queue, parameters.length);
  parameters.partials = queue.Scratch<double>(blocks * products);
  Walk(queue, name, parameters.length, parameters);
  auto* sums = queue.Scratch<double>(products);
  queue.Launch(DeviceCode::kVectors, "soul_sum_products", 1, kFinishThreads,
               SumProductsParameters{parameters.partials, blocks, products, sums});
  return queue.Read(sums, static_cast<std::size_t>(products) * sizeof(double));
}

}  // namespace

std::function<int64_t()> EnqueueCountNonFinite(Queue& queue, const Elements& elements, int64_t length) {
  auto* count = queue.Scratch<uint64_t>(1);
  queue.Fill(count, 0, 4, 2);
  Walk(queue, "soul_count_non_finite_" + NameOf(elements.dtype), length,
       CountParameters{elements.data, length, count});
  return
      [result = queue.Read(count, sizeof(*count))] { return static_cast<int64_t>(*result->As<uint64_t>()); };
}

std::function<double()> EnqueueInnerProduct(Queue& queue, const Elements& a, const Elements& b,
                                            int64_t length) {
  const ProductsParameters parameters{{a, b}, length, nullptr};
  const std::string kernel = a == b ? "soul_products_1_" : "soul_product_";
  const std::string types = CommonName(parameters.vectors, 2, [](const Elements& v) { return v.dtype; });
  return [result = EnqueueProducts(queue, kernel + types, parameters, 1)] { return *result->As<double>(); };
}

std::function<InnerProducts()> EnqueueProductsOfPairs(Queue& queue, const Elements* vectors, int32_t count,
                                                      int64_t length) {
  ProductsParameters parameters{{}, length, nullptr};
  std::copy_n(vectors, count, parameters.vectors);
  const int32_t products = count * (count + 1) / 2;
  const std::string types = CommonName(vectors, count, [](const Elements& v) { return v.dtype; });
  return [result = EnqueueProducts(queue, "soul_products_" + std::to_string(count) + "_" + types, parameters,
                                   products),
          products] {
    InnerProducts sums;
    std::copy_n(result->As<double>(), products, sums.sums);
    return sums;
  };
}

void EnqueueAddScaled(Queue& queue, float alpha, const Elements& x, const Elements& y,
                      const Rounding& rounding, int64_t length) {
  if (length == 0) return;
  Walk(queue, "soul_axpy_" + NameOf(x.dtype) + "_" + NameOf(y.dtype), length,
       AxpyParameters{alpha, x.data, y.data, rounding, length});
}

void EnqueueAddSign(Queue& queue, float alpha, const Elements& x, const Elements& y, const Rounding& rounding,
                    int64_t length) {
  if (length == 0) return;
  Walk(queue, "soul_add_sign_" + NameOf(x.dtype) + "_" + NameOf(y.dtype), length,
       AxpyParameters{alpha, x.data, y.data, rounding, length});
}

void EnqueueAddNormal(Queue& queue, float factor, const NormalDraws& draws, const Elements& source,
                      const Elements& target, FrozenMask frozen, const Rounding& rounding, int64_t length) {
  if (length == 0) return;
  Walk(queue, "soul_add_normal_" + NameOf(source.dtype) + "_" + NameOf(target.dtype), length,
       AddNormalParameters{factor, draws, source.data, target.data, frozen, rounding, length});
}

void EnqueueScale(Queue& queue, float factor, const Elements& y, const Rounding& rounding, int64_t length) {
  if (length == 0) return;
  Walk(queue, "soul_scale_" + NameOf(y.dtype), length, ScaleParameters{factor, y.data, rounding, length});
}

void EnqueueSoftThreshold(Queue& queue, float by, const Elements& y, FrozenMask frozen,
                          const Rounding& rounding, int64_t length) {
  if (length == 0) return;
  Walk(queue, "soul_soft_threshold_" + NameOf(y.dtype), length,
       SoftThresholdParameters{by, y.data, frozen, rounding, length});
}

void EnqueueFillFrozen(Queue& queue, const Elements& elements, FrozenMask frozen, float value,
                       int64_t length) {
  if (length == 0) return;
  const uint32_t bits = elements.dtype == DType::kFloat32 ? FloatBits(value) : ToBFloat16(value);
  Walk(queue, "soul_fill_frozen_" + NameOf(elements.dtype), length,
       FillFrozenParameters{elements.data, frozen, bits, length});
}

void EnqueueCast(Queue& queue, const Elements& source, const Elements& target, const Rounding& rounding,
                 int64_t first, int64_t length) {
  if (length == 0) return;
  Walk(queue, "soul_cast_" + NameOf(source.dtype) + "_" + NameOf(target.dtype), length,
       CastParameters{source.data, target.data, rounding, first, length});
}

std::function<double()> EnqueueQuantile(Queue& queue, const MagnitudeTerms& terms, double fraction,
                                        int64_t length) {
  auto* search = queue.Scratch<OrderSearch>(1);
  queue.Fill(search, 0, 4, sizeof(*search) / 4);
  std::string name = "soul_magnitudes_" + NameOf(terms.a.dtype);
  if (terms.of != MagnitudeOf::kElement) name += "_" + NameOf(terms.b.dtype);
  for (int32_t pass = 0; pass < kSearchPasses; ++pass) {
    Walk(queue, name, length,
         MagnitudesParameters{terms.of, terms.a.data, terms.b.data, length, search, pass});
    queue.Launch(DeviceCode::kVectors, "soul_find_bin", 1, kFinishThreads,
                 FindBinParameters{search, pass, fraction});
  }
  return [result = queue.Read(&search->progress, sizeof(search->progress))] {
    const auto* found = result->As<SearchProgress>();
    return found->total == 0 ? std::numeric_limits<double>::quiet_NaN()
                             : static_cast<double>(FloatFromBits(found->prefix));
  };
}

void EnqueueMaskZeros(Queue& queue, const Elements& elements, uint8_t* mask, int64_t length) {
  if (length == 0) return;
  Walk(queue, "soul_mask_zeros_" + NameOf(elements.dtype), length,
       MaskParameters{elements.data, mask, length});
}

void EnqueueStreamPattern(Queue& queue, const std::vector<soul::Stream>& streams, int64_t length) {
  const auto count = static_cast<int32_t>(streams.size());
  if (length <= 0 || count == 0) return;
  StreamsParameters parameters{{}, count, length, queue.Scratch<uint32_t>(1)};
  std::copy(streams.begin(), streams.end(), parameters.streams);
  const int32_t held = std::min((count + 1) / 2 * 2, kMostStreamsAtOnce);
  const std::string types =
      CommonName(parameters.streams, count, [](const soul::Stream& stream) { return stream.elements.dtype; });
  Walk(queue, "soul_streams_" + std::to_string(held) + "_" + types, length, parameters);
}

void EnqueueFunction(Queue& queue, MathFunction function, const float* input, float* output, int64_t length) {
  if (length == 0) return;
  Walk(queue, "soul_elementwise", length, FunctionParameters{function, input, output, length});
}

void EnqueueRandomBits(Queue& queue, uint64_t seed, uint64_t row, uint32_t* bits, int64_t length) {
  if (length == 0) return;
  Walk(queue, "soul_random_bits", length, RandomBitsParameters{seed, row, bits, length});
}

}  // namespace soul::cuda
