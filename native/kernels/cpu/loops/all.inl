// Every loop, and the table of them, in the namespace SOUL_PATH. Included once by each file of paths/.
//
// Each builds on those before it.
// clang-format off
#include "kernels/cpu/loops/lanes.inl"
#include "kernels/cpu/loops/blocks.inl"
#include "kernels/cpu/loops/pairs.inl"
#include "kernels/cpu/loops/square_sum.inl"
#include "kernels/cpu/loops/staging.inl"
#include "kernels/cpu/loops/gradient_scan.inl"
#include "kernels/cpu/loops/sophia.inl"
#include "kernels/cpu/loops/adamw.inl"
#include "kernels/cpu/loops/clipping_ratio.inl"
#include "kernels/cpu/loops/stream.inl"
#include "kernels/cpu/loops/cast.inl"
#include "kernels/cpu/loops/vector_updates.inl"
#include "kernels/cpu/loops/normal_updates.inl"
#include "kernels/cpu/loops/frozen_fill.inl"
#include "kernels/cpu/loops/inner_products.inl"
#include "kernels/cpu/loops/magnitudes.inl"
#include "kernels/cpu/loops/element_tests.inl"
#include "kernels/cpu/loops/token_row.inl"
#include "kernels/cpu/loops/token_block.inl"
#include "kernels/cpu/loops/token_sampling.inl"
#include "kernels/cpu/loops/token_scores.inl"
#include "kernels/cpu/loops/token_divergence.inl"
// clang-format on

namespace soul::SOUL_PATH {

extern const CpuKernels kKernels = {
    .name = SOUL_PATH_NAME,
    .update_hessian = UpdateHessian,
    .step_sophia = StepSophia,
    .step_adamw = StepAdamW,
    .scan_gradient = ScanGradient,
    .sum_hessian = SumHessian,
    .ratio_keys = RatioKeys,
    .cast = Cast,
    .add_scaled = AddScaled,
    .add_sign = AddSign,
    .add_normal = AddNormal,
    .scale = Scale,
    .soft_threshold = SoftThreshold,
    .fill_frozen = FillFrozen,
    .inner_product = InnerProduct,
    .products_of_pairs = ProductsOfPairs,
    .magnitude_keys = MagnitudeKeys,
    .count_non_finite = CountNonFinite,
    .mask_zeros = MaskZeros,
    .stream = WalkStreams,
    .score_tokens = ScoreTokens,
    .token_gradient = TokenGradient,
    .score_divergence = ScoreDivergence,
    .divergence_gradient = DivergenceGradient,
    .score_target = ScoreTarget,
    .target_gradient = TargetGradient,
};

}  // namespace soul::SOUL_PATH
