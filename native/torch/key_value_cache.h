// Keys (rotated) and values of the tokens that generation has seen.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "place.h"

namespace soul {

// Slot = sequence * capacity + position.
struct KeyValueCache {
  struct Layer {
    at::Tensor key, value;  // [sequences * capacity, key-value heads * size]
  };
  std::vector<Layer> layers;
  int64_t sequences;
  int64_t capacity;

  // Makes room for `wider` positions of each sequence, no fewer than now. One tensor after the other moves,
  // so that no more than one is there twice.
  void Grow(int64_t wider);

  // Keeps the sequences that `kept` names.
  void Narrow(const std::vector<int64_t>& kept, const Place& place);
};

}  // namespace soul
