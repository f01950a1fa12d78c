// Kernels on vectors. Names end in the dtypes of what they read and write.
#include "kernels/cuda/cast.cuh"
#include "kernels/cuda/element_tests.cuh"
#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/frozen_fill.cuh"
#include "kernels/cuda/inner_products.cuh"
#include "kernels/cuda/magnitudes.cuh"
#include "kernels/cuda/normal_updates.cuh"
#include "kernels/cuda/order_statistic.cuh"
#include "kernels/cuda/stream_pattern.cuh"
#include "kernels/cuda/vector_updates.cuh"

namespace soul {

SOUL_KERNEL(soul_cast_f32_bf16, CastParameters) {
  Cast<float, uint16_t>(parameters);
}
SOUL_KERNEL(soul_cast_bf16_f32, CastParameters) {
  Cast<uint16_t, float>(parameters);
}

SOUL_KERNEL(soul_axpy_f32_f32, AxpyParameters) {
  AddScaled<float, float>(parameters);
}
SOUL_KERNEL(soul_axpy_f32_bf16, AxpyParameters) {
  AddScaled<float, uint16_t>(parameters);
}
SOUL_KERNEL(soul_axpy_bf16_f32, AxpyParameters) {
  AddScaled<uint16_t, float>(parameters);
}
SOUL_KERNEL(soul_axpy_bf16_bf16, AxpyParameters) {
  AddScaled<uint16_t, uint16_t>(parameters);
}
SOUL_KERNEL(soul_add_sign_f32_f32, AxpyParameters) {
  AddSign<float, float>(parameters);
}
SOUL_KERNEL(soul_add_sign_f32_bf16, AxpyParameters) {
  AddSign<float, uint16_t>(parameters);
}
SOUL_KERNEL(soul_add_sign_bf16_f32, AxpyParameters) {
  AddSign<uint16_t, float>(parameters);
}
SOUL_KERNEL(soul_add_sign_bf16_bf16, AxpyParameters) {
  AddSign<uint16_t, uint16_t>(parameters);
}
SOUL_KERNEL(soul_add_normal_f32_f32, AddNormalParameters) {
  AddNormal<float, float>(parameters);
}
SOUL_KERNEL(soul_add_normal_f32_bf16, AddNormalParameters) {
  AddNormal<float, uint16_t>(parameters);
}
SOUL_KERNEL(soul_add_normal_bf16_f32, AddNormalParameters) {
  AddNormal<uint16_t, float>(parameters);
}
SOUL_KERNEL(soul_add_normal_bf16_bf16, AddNormalParameters) {
  AddNormal<uint16_t, uint16_t>(parameters);
}
SOUL_KERNEL(soul_scale_f32, ScaleParameters) {
  Scale<float>(parameters);
}
SOUL_KERNEL(soul_scale_bf16, ScaleParameters) {
  Scale<uint16_t>(parameters);
}
SOUL_KERNEL(soul_soft_threshold_f32, SoftThresholdParameters) {
  SoftThreshold<float>(parameters);
}
SOUL_KERNEL(soul_soft_threshold_bf16, SoftThresholdParameters) {
  SoftThreshold<uint16_t>(parameters);
}
SOUL_KERNEL(soul_fill_frozen_f32, FillFrozenParameters) {
  FillFrozen<float>(parameters);
}
SOUL_KERNEL(soul_fill_frozen_bf16, FillFrozenParameters) {
  FillFrozen<uint16_t>(parameters);
}

#define SOUL_PRODUCTS(types, Types)                          \
  SOUL_KERNEL(soul_product_##types, ProductsParameters) {    \
    SumProducts<Vectors::Types, 2, true>(parameters);        \
  }                                                          \
  SOUL_KERNEL(soul_products_2_##types, ProductsParameters) { \
    SumProducts<Vectors::Types, 2>(parameters);              \
  }                                                          \
  SOUL_KERNEL(soul_products_3_##types, ProductsParameters) { \
    SumProducts<Vectors::Types, 3>(parameters);              \
  }                                                          \
  SOUL_KERNEL(soul_products_4_##types, ProductsParameters) { \
    SumProducts<Vectors::Types, 4>(parameters);              \
  }
SOUL_PRODUCTS(f32, kFloat32)
SOUL_PRODUCTS(bf16, kBFloat16)
SOUL_PRODUCTS(mixed, kMixed)
// A single vector is not of two dtypes.
SOUL_KERNEL(soul_products_1_f32, ProductsParameters) {
  SumProducts<Vectors::kFloat32, 1>(parameters);
}
SOUL_KERNEL(soul_products_1_bf16, ProductsParameters) {
  SumProducts<Vectors::kBFloat16, 1>(parameters);
}
SOUL_KERNEL(soul_sum_products, SumProductsParameters) {
  SumOfBlocks(parameters);
}

SOUL_KERNEL(soul_magnitudes_f32, MagnitudesParameters) {
  CountMagnitudes<float>(parameters);
}
SOUL_KERNEL(soul_magnitudes_bf16, MagnitudesParameters) {
  CountMagnitudes<uint16_t>(parameters);
}
SOUL_KERNEL(soul_magnitudes_f32_f32, MagnitudesParameters) {
  CountPairMagnitudes<float, float>(parameters);
}
SOUL_KERNEL(soul_magnitudes_f32_bf16, MagnitudesParameters) {
  CountPairMagnitudes<float, uint16_t>(parameters);
}
SOUL_KERNEL(soul_magnitudes_bf16_f32, MagnitudesParameters) {
  CountPairMagnitudes<uint16_t, float>(parameters);
}
SOUL_KERNEL(soul_magnitudes_bf16_bf16, MagnitudesParameters) {
  CountPairMagnitudes<uint16_t, uint16_t>(parameters);
}
SOUL_KERNEL(soul_find_bin, FindBinParameters) {
  FindBin(parameters);
}

SOUL_KERNEL(soul_count_non_finite_f32, CountParameters) {
  CountNonFinite<float>(parameters);
}
SOUL_KERNEL(soul_count_non_finite_bf16, CountParameters) {
  CountNonFinite<uint16_t>(parameters);
}
SOUL_KERNEL(soul_mask_zeros_f32, MaskParameters) {
  MaskZeros<float>(parameters);
}
SOUL_KERNEL(soul_mask_zeros_bf16, MaskParameters) {
  MaskZeros<uint16_t>(parameters);
}

#define SOUL_STREAMS(types, Types)                         \
  SOUL_KERNEL(soul_streams_2_##types, StreamsParameters) { \
    WalkStreams<StreamTypes::Types, 2>(parameters);        \
  }                                                        \
  SOUL_KERNEL(soul_streams_4_##types, StreamsParameters) { \
    WalkStreams<StreamTypes::Types, 4>(parameters);        \
  }                                                        \
  SOUL_KERNEL(soul_streams_6_##types, StreamsParameters) { \
    WalkStreams<StreamTypes::Types, 6>(parameters);        \
  }                                                        \
  SOUL_KERNEL(soul_streams_8_##types, StreamsParameters) { \
    WalkStreams<StreamTypes::Types, 8>(parameters);        \
  }
SOUL_STREAMS(f32, kFloat32)
SOUL_STREAMS(bf16, kBFloat16)
SOUL_STREAMS(mixed, kMixed)

SOUL_KERNEL(soul_elementwise, FunctionParameters) {
  Elementwise(parameters);
}
SOUL_KERNEL(soul_random_bits, RandomBitsParameters) {
  FillRandomBits(parameters);
}

}  // namespace soul
