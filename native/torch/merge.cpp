#include "merge.h"

#include <ATen/core/grad_mode.h>

#include "job.h"

namespace soul {

using at::Tensor;

void MergeAdapters(const Decoder& decoder, const Tensor& weights, Tensor target) {
  const at::NoGradGuard no_grad;
  target.copy_(weights);
  decoder.ForProjections([&](const Projection& projection) {
    ThrowIfCancelled();
    for (const Adapter& adapter : projection.adapters) {
      const Tensor rows = projection.weight.value.narrow(0, adapter.first, adapter.columns);
      const int64_t bytes = static_cast<const char*>(rows.const_data_ptr()) -
                            static_cast<const char*>(weights.const_data_ptr());
      Tensor merged = target.as_strided(rows.sizes(), rows.strides(), bytes / rows.element_size());
      const auto wide = [](const Tensor& of) { return of.to(at::kFloat); };
      if (merged.scalar_type() == at::kFloat) {
        merged.addmm_(adapter.b.value, adapter.a.value, 1, adapter.scale);
      } else {
        merged.copy_(wide(rows).addmm_(wide(adapter.b.value), wide(adapter.a.value), 1, adapter.scale));
      }
    }
  });
}

}  // namespace soul
