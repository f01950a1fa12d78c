// The optimizers' kernels by name: DeviceCode::kOptimizers.
#include "kernels/cuda/adamw.cuh"
#include "kernels/cuda/clipping_ratio.cuh"
#include "kernels/cuda/gradient_scan.cuh"
#include "kernels/cuda/hessian.cuh"
#include "kernels/cuda/plan.cuh"
#include "kernels/cuda/sophia.cuh"

namespace soul {

SOUL_KERNEL(soul_scan_gradients, ScanParameters) {
  ScanGradients(parameters);
}

SOUL_KERNEL(soul_plan_sophia, SophiaPlanParameters) {
  PlanSophia(parameters);
}
SOUL_KERNEL(soul_plan_adamw, AdamWPlanParameters) {
  PlanAdamW(parameters);
}
SOUL_KERNEL(soul_plan_hessian, HessianPlanParameters) {
  PlanHessian(parameters);
}

SOUL_KERNEL(soul_sum_hessian, ClippingParameters) {
  SumHessian(parameters);
}
SOUL_KERNEL(soul_least_hessian, LeastHessianParameters) {
  FindLeastHessian(parameters);
}
SOUL_KERNEL(soul_count_ratios, ClippingParameters) {
  CountRatios(parameters);
}
SOUL_KERNEL(soul_find_ratio_bin, FindBinParameters) {
  FindBin(parameters);
}
SOUL_KERNEL(soul_set_rho, RhoParameters) {
  SetRho(parameters);
}

// soul_sophia_<values>_<states>_<estimate>, "master": bfloat16 values with a float32 master.
#define SOUL_SOPHIA_KERNELS(values, Value, master, states, State)         \
  SOUL_KERNEL(soul_sophia_##values##_##states##_none, SophiaParameters) { \
    StepSophia<Value, master, State, NoEstimate>(parameters);             \
  }                                                                       \
  SOUL_KERNEL(soul_sophia_##values##_##states##_own, SophiaParameters) {  \
    StepSophia<Value, master, State, OwnGradients>(parameters);           \
  }                                                                       \
  SOUL_KERNEL(soul_sophia_##values##_##states##_f32, SophiaParameters) {  \
    StepSophia<Value, master, State, float>(parameters);                  \
  }                                                                       \
  SOUL_KERNEL(soul_sophia_##values##_##states##_bf16, SophiaParameters) { \
    StepSophia<Value, master, State, uint16_t>(parameters);               \
  }

SOUL_SOPHIA_KERNELS(f32, float, false, f32, float)
SOUL_SOPHIA_KERNELS(f32, float, false, bf16, uint16_t)
SOUL_SOPHIA_KERNELS(bf16, uint16_t, false, f32, float)
SOUL_SOPHIA_KERNELS(bf16, uint16_t, false, bf16, uint16_t)
SOUL_SOPHIA_KERNELS(master, uint16_t, true, f32, float)
SOUL_SOPHIA_KERNELS(master, uint16_t, true, bf16, uint16_t)
#undef SOUL_SOPHIA_KERNELS

#define SOUL_ADAMW_KERNEL(values, Value, master, states, State)  \
  SOUL_KERNEL(soul_adamw_##values##_##states, AdamWParameters) { \
    StepAdamW<Value, master, State>(parameters);                 \
  }

SOUL_ADAMW_KERNEL(f32, float, false, f32, float)
SOUL_ADAMW_KERNEL(f32, float, false, bf16, uint16_t)
SOUL_ADAMW_KERNEL(bf16, uint16_t, false, f32, float)
SOUL_ADAMW_KERNEL(bf16, uint16_t, false, bf16, uint16_t)
SOUL_ADAMW_KERNEL(master, uint16_t, true, f32, float)
SOUL_ADAMW_KERNEL(master, uint16_t, true, bf16, uint16_t)
#undef SOUL_ADAMW_KERNEL

// soul_hessian_<hessian>_<gradients>
SOUL_KERNEL(soul_hessian_f32_f32, HessianParameters) {
  UpdateHessian<float, float>(parameters);
}
SOUL_KERNEL(soul_hessian_f32_bf16, HessianParameters) {
  UpdateHessian<float, uint16_t>(parameters);
}
SOUL_KERNEL(soul_hessian_bf16_f32, HessianParameters) {
  UpdateHessian<uint16_t, float>(parameters);
}
SOUL_KERNEL(soul_hessian_bf16_bf16, HessianParameters) {
  UpdateHessian<uint16_t, uint16_t>(parameters);
}

}  // namespace soul
