// A decoder with what passes over it are run with.
#pragma once

#include <cstdint>

#include "decoder.h"
#include "token_losses.h"

namespace soul {

struct Model {
  Decoder decoder;
  TokenLosses losses;
  int threads;            // 0: libtorch's own choice
  int64_t logits_memory;  // bytes that the chunk buffers may take
  Graph graph;            // what a pass keeps that can be pulled back

  const Place& place() const { return decoder.place(); }
};

}  // namespace soul
