// The loops of one instruction set, as a table; which table is in use is chosen when the process first asks.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/adamw.h"
#include "kernels/memory.h"
#include "kernels/normal.h"
#include "kernels/order_statistic.h"
#include "kernels/sophia.h"
#include "kernels/vectors.h"
#include "runtime/interface.h"

namespace soul {

// Elements that a loop walks before the next one takes its turn: what one leaves is still in the nearest
// cache. Sums in float32 go on in double after as many.
constexpr int64_t kBlock = 1024;
static_assert(static_cast<uint32_t>(DType::kFloat32) == SOUL_FLOAT32 &&
              static_cast<uint32_t>(DType::kBFloat16) == SOUL_BFLOAT16 &&
              static_cast<uint32_t>(DType::kUint8) == SOUL_UINT8);

// What a step does beside its rule.
struct StepPass {
  Rounding rounding;
  bool zero_gradients = false;
  bool sum_squares = false;
};

// Every function walks [begin, end) alone, with no other thread; ranges whose ends lie in one chunk
// (runtime/chunks.h) keep random draws apart from the 2^32nd element on.
struct CpuKernels {
  const char* name;

  void (*update_hessian)(const Elements& hessian, const HessianEstimate& estimate, FrozenMask frozen,
                         const Rounding& rounding, int64_t begin, int64_t end);
  // The estimate, where there is one, then the step, in one pass over memory. The estimate may read the
  // gradients themselves.
  StepCounts (*step_sophia)(const SophiaMemory& memory, const HessianEstimate& estimate,
                            const SophiaCoefficients& coefficients, const StepPass& pass, int64_t begin,
                            int64_t end);
  StepCounts (*step_adamw)(const AdamWMemory& memory, const AdamWCoefficients& coefficients,
                           const StepPass& pass, int64_t begin, int64_t end);
  GradientScan (*scan_gradient)(const Elements& gradients, FrozenMask frozen, int64_t begin, int64_t end);

  // Of h as the step will leave it, before it is rounded to its dtype; frozen weights left out.
  FiniteSum (*sum_hessian)(const SophiaMemory& memory, const HessianEstimate& estimate, int64_t begin,
                           int64_t end);
  // The bits of |m| / h of at most kBlock weights, m and h as the step will leave them, before they are
  // rounded; kNoKey for frozen ones, an h that is not finite or not above `least`, and NaN.
  void (*ratio_keys)(const SophiaMemory& memory, const HessianEstimate& estimate,
                     const SophiaCoefficients& coefficients, float least, int64_t from, int32_t length,
                     uint32_t* keys);

  // target <- source, of different dtypes.
  void (*cast)(const Elements& source, const Elements& target, const Rounding& rounding, int64_t begin,
               int64_t end);
  // y <- alpha * x + y; x may be y.
  void (*add_scaled)(float alpha, const Elements& x, const Elements& y, const Rounding& rounding,
                     int64_t begin, int64_t end);
  // y <- alpha * sign(x) + y; x may be y.
  void (*add_sign)(float alpha, const Elements& x, const Elements& y, const Rounding& rounding, int64_t begin,
                   int64_t end);
  // target <- source + factor * z, z standard normal, 0 for frozen elements; the source may be the target.
  void (*add_normal)(float factor, const NormalDraws& draws, const Elements& source, const Elements& target,
                     FrozenMask frozen, const Rounding& rounding, int64_t begin, int64_t end);
  void (*scale)(float factor, const Elements& y, const Rounding& rounding, int64_t begin, int64_t end);
  // y <- sign(y) * max(|y| - by, 0); frozen elements stay.
  void (*soft_threshold)(float by, const Elements& y, FrozenMask frozen, const Rounding& rounding,
                         int64_t begin, int64_t end);
  // Frozen elements become the value, rounded to the nearest; the others stay.
  void (*fill_frozen)(const Elements& elements, FrozenMask frozen, float value, int64_t begin, int64_t end);
  double (*inner_product)(const Elements& a, const Elements& b, int64_t begin, int64_t end);
  // Of at most kMostVectors vectors.
  InnerProducts (*products_of_pairs)(const Elements* vectors, int32_t count, int64_t begin, int64_t end);
  // The bits of at most kBlock magnitudes; kNoKey for NaN and for ratios to a negative number.
  void (*magnitude_keys)(const MagnitudeTerms& terms, int64_t from, int32_t length, uint32_t* keys);
  int64_t (*count_non_finite)(const Elements& elements, int64_t begin, int64_t end);
  // Sets the bits of elements that are 0 and clears the others, those past the end too; `begin` is a multiple
  // of 8.
  void (*mask_zeros)(const Elements& elements, uint8_t* mask, int64_t begin, int64_t end);

  // Reads and writes streams block by block, with next to no arithmetic: the limit that other loops run into.
  // What was read is folded into the result, so that no read can be left out.
  uint32_t (*stream)(const Stream* streams, int32_t count, int64_t begin, int64_t end);

  void (*score_tokens)(const SoulTokenRows* rows, const SoulTokenScores* scores);
  void (*token_gradient)(const SoulTokenRows* rows, const int32_t* labels, const float* weights,
                         const float* log_sum_exp);
  void (*score_divergence)(const SoulTokenRows* rows, const SoulTokenRows* reference, float* divergence,
                           float* log_sum_exp, float* reference_log_sum_exp);
  void (*divergence_gradient)(const SoulTokenRows* rows, const SoulTokenRows* reference, const float* weights,
                              const float* log_sum_exp, const float* reference_log_sum_exp);
  // A null reference: each row's own logits.
  void (*score_target)(const SoulTokenRows* rows, const SoulTokenRows* reference,
                       const SoulTokenTarget* target, float* cross_entropy);
  void (*target_gradient)(const SoulTokenRows* rows, const SoulTokenRows* reference,
                          const SoulTokenTarget* target, const float* weights);
};

// The tables that this processor can run, the fastest first.
std::span<const CpuKernels* const> SupportedKernels();

// The table in use: the fastest, or the one that SOUL_INSTRUCTION_SET names where the processor has it.
const CpuKernels& ActiveKernels();

// False when the processor lacks it.
bool UseKernels(const char* name);

}  // namespace soul
