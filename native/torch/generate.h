// Continuation of token sequences with a key-value cache, many prompts at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "passes.h"

namespace soul {

struct GenerateSettings {
  int64_t max_new_tokens;
  int64_t max_length;  // prompt and new tokens together, as the model's positions allow
  std::vector<int32_t> stop_tokens;
  float temperature;  // 0: greedy
  float top_p;
  std::vector<uint64_t> seeds;  // one per prompt; a draw is a function of (seed, position)
};

// The new tokens of each prompt, without the stop token that ended it.
std::vector<std::vector<int32_t>> Generate(const Model& model,
                                           const std::vector<std::vector<int32_t>>& prompts,
                                           const GenerateSettings& settings);

}  // namespace soul
