#include "key_value_cache.h"

#include <ATen/ops/constant_pad_nd.h>

namespace soul {

using at::Tensor;

void KeyValueCache::Grow(int64_t wider) {
  for (Layer& layer : layers) {
    for (Tensor* tensor : {&layer.key, &layer.value}) {
      const int64_t width = tensor->size(1);
      const Tensor positions = tensor->view({sequences, capacity, width});
      // Zeros, as at first: what a mask hides must be finite.
      *tensor = at::constant_pad_nd(positions, {0, 0, 0, wider - capacity}).view({-1, width});
    }
  }
  capacity = wider;
}

void KeyValueCache::Narrow(const std::vector<int64_t>& kept, const Place& place) {
  const Tensor index = Upload(kept, place);
  for (Layer& layer : layers) {
    for (Tensor* tensor : {&layer.key, &layer.value}) {
      const int64_t width = tensor->size(1);
      *tensor = tensor->view({sequences, capacity, width}).index_select(0, index).view({-1, width});
    }
  }
  sequences = static_cast<int64_t>(kept.size());
}

}  // namespace soul
