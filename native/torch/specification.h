// What JavaScript says of a decoder: its sizes, which slots its family fills, and where their weights lie in
// the flat buffers.
#pragma once

#include <napi.h>

#include <optional>

#include "arguments.h"
#include "decoder.h"

namespace soul {

// NativeModelSpecification of lib/torch/native-engine.ts; its adapters lie in memory of their own. Throws
// SOUL_INVALID_ARGUMENT where something is absent, lies outside the memory, or does not fit the rest.
DecoderParts ReadDecoder(const Napi::Object& specification, const WeightMemory& weights,
                         const std::optional<WeightMemory>& adapters);

}  // namespace soul
