#include "decoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "job.h"

namespace soul {

using at::Tensor;

PackedTokens PackedTokens::Pack(const std::vector<int32_t>& tokens, std::vector<int64_t> offsets,
                                const std::vector<int64_t>& wanted) {
  std::vector<float> positions;
  positions.reserve(tokens.size());
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    for (int64_t t = offsets[i]; t < offsets[i + 1]; ++t)
      positions.push_back(static_cast<float>(t - offsets[i]));
  }
  std::vector<AttentionGroup> groups = GroupSequences(offsets);
  return {at::tensor(std::vector<int64_t>(tokens.begin(), tokens.end())), at::tensor(positions),
          std::move(offsets), std::move(groups), at::tensor(wanted)};
}

Decoder::Decoder(const DecoderSize& size, std::vector<float> inverse_frequencies,
                 const ParameterSource& parameter)
    : size_(size),
      shape_{size.heads, size.key_value_heads, size.head_size},
      inverse_frequencies_(at::tensor(inverse_frequencies)) {
  const int64_t query = size.heads * size.head_size, key = size.key_value_heads * size.head_size;
  const auto projection = [&](const std::string& name, int64_t out, int64_t in, bool bias) {
    Projection result{parameter(name + ".weight", {out, in}), {}};
    if (bias) result.bias = parameter(name + ".bias", {out});
    return result;
  };
  embedding_ = parameter("model.embed_tokens.weight", {size.vocabulary, size.hidden});
  if (!size.tied) head_ = parameter("lm_head.weight", {size.vocabulary, size.hidden});
  final_norm_ = parameter("model.norm.weight", {size.hidden});
  for (int64_t i = 0; i < size.layers; ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
    layers_.push_back({
        parameter(prefix + "input_layernorm.weight", {size.hidden}),
        projection(attention + "q_proj", query, size.hidden, size.attention_bias),
        projection(attention + "k_proj", key, size.hidden, size.attention_bias),
        projection(attention + "v_proj", key, size.hidden, size.attention_bias),
        projection(attention + "o_proj", size.hidden, query, size.attention_bias),
        parameter(prefix + "post_attention_layernorm.weight", {size.hidden}),
        projection(mlp + "gate_proj", size.intermediate, size.hidden, size.mlp_bias),
        projection(mlp + "up_proj", size.intermediate, size.hidden, size.mlp_bias),
        projection(mlp + "down_proj", size.hidden, size.intermediate, size.mlp_bias),
    });
  }
}

Decoder::Angles Decoder::ComputeAngles(const Tensor& positions) const {
  const Tensor angle = positions.unsqueeze(1).mul(inverse_frequencies_).unsqueeze(1);
  return {angle.cos(), angle.sin()};
}

HiddenStates Decoder::Forward(const PackedTokens& batch, bool graph, KeyValueCache* cache) const {
  const at::AutoGradMode mode(graph);
  HiddenStates states;
  Tensor x = embedding_.value.index_select(0, batch.tokens);
  if (graph) states.embedded = x.requires_grad_();
  const Angles turn = ComputeAngles(batch.positions);
  Tensor slots;
  if (cache) {
    std::vector<int64_t> places;
    for (size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
      for (int64_t t = 0; t < batch.offsets[i + 1] - batch.offsets[i]; ++t) {
        places.push_back(static_cast<int64_t>(i) * cache->capacity + t);
      }
    }
    slots = at::tensor(places);
  }

  for (size_t i = 0; i < layers_.size(); ++i) {
    ThrowIfCancelled();
    const DecoderLayer& layer = layers_[i];
    const Tensor normal = RmsNorm(x, layer.attention_norm, size_.epsilon);
    const std::vector<Tensor> parts = Project(normal, {&layer.query, &layer.key, &layer.value});
    Tensor rotated_key;
    Tensor attended = Attend(parts[0], parts[1], parts[2], turn.cosine, turn.sine, batch.groups, shape_,
                             cache ? &rotated_key : nullptr);
    if (cache) {
      cache->layers[i].key.index_copy_(0, slots, rotated_key);
      cache->layers[i].value.index_copy_(0, slots, parts[2]);
    }
    // After the last attention no row looks at another: the rows that nobody asked for end here.
    if (i + 1 == layers_.size()) {
      attended = attended.index_select(0, batch.wanted);
      x = x.index_select(0, batch.wanted);
    }
    x = x.add(Project(attended, {&layer.output})[0]);
    const std::vector<Tensor> gates =
        Project(RmsNorm(x, layer.mlp_norm, size_.epsilon), {&layer.gate, &layer.up});
    x = x.add(GatedProject(gates[0], gates[1], layer.down));
  }
  states.final = RmsNorm(x, final_norm_, size_.epsilon);
  return states;
}

void Decoder::Backward(const PackedTokens& batch, HiddenStates states, const Tensor& d_final) const {
  const Tensor d_embedded = torch::autograd::grad({states.final}, {states.embedded}, {d_final})[0];
  const at::NoGradGuard no_grad;
  Tensor gradient = embedding_.gradient;
  gradient.index_add_(0, batch.tokens, d_embedded);
}

int64_t Decoder::GraphBytes(int64_t rows) const {
  const int64_t attention = 2 * (size_.heads + size_.key_value_heads) * size_.head_size;
  return rows * size_.layers * (4 * size_.hidden + attention + 2 * size_.intermediate) *
         int64_t{sizeof(float)};
}

KeyValueCache Decoder::MakeCache(int64_t sequences, int64_t capacity) const {
  KeyValueCache cache{{}, sequences, capacity};
  const std::vector<int64_t> shape = {sequences * capacity, size_.key_value_heads * size_.head_size};
  for (int64_t i = 0; i < size_.layers; ++i) cache.layers.push_back({at::zeros(shape), at::zeros(shape)});
  return cache;
}

Tensor Decoder::Extend(const std::vector<int32_t>& tokens, const std::vector<int64_t>& lengths,
                       KeyValueCache& cache) const {
  const at::NoGradGuard no_grad;
  const int64_t sequences = cache.sequences, size = size_.head_size, key_heads = size_.key_value_heads;
  const int64_t repeats = size_.heads / key_heads,
                longest = *std::max_element(lengths.begin(), lengths.end()) + 1;
  const Tensor positions = at::tensor(lengths);
  const Angles turn = ComputeAngles(positions.to(at::kFloat));
  const Tensor slots = at::arange(sequences).mul_(cache.capacity).add_(positions);
  const Tensor visible = at::arange(longest).unsqueeze(0).le(positions.unsqueeze(1));
  const Tensor mask = at::where(visible, 0.0, -std::numeric_limits<double>::infinity())
                          .to(at::kFloat)
                          .view({sequences, 1, 1, longest})
                          .expand({sequences, 1, repeats, longest});
  // The queries of a group share keys and values, so they stand where the rows of one head would.
  const auto block = [&](const Tensor& cached) {
    return cached.view({sequences, cache.capacity, key_heads, size}).narrow(1, 0, longest).transpose(1, 2);
  };

  Tensor x = embedding_.value.index_select(0, at::tensor(std::vector<int64_t>(tokens.begin(), tokens.end())));
  for (size_t i = 0; i < layers_.size(); ++i) {
    ThrowIfCancelled();
    const DecoderLayer& layer = layers_[i];
    KeyValueCache::Layer& kept = cache.layers[i];
    const std::vector<Tensor> parts =
        Project(RmsNorm(x, layer.attention_norm, size_.epsilon), {&layer.query, &layer.key, &layer.value});
    const Tensor query = Rotate(parts[0].view({sequences, size_.heads, size}), turn.cosine, turn.sine);
    const Tensor key = Rotate(parts[1].view({sequences, key_heads, size}), turn.cosine, turn.sine);
    kept.key.index_copy_(0, slots, key.view({sequences, -1}));
    kept.value.index_copy_(0, slots, parts[2]);
    const Tensor attended = std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(
                                            query.view({sequences, key_heads, repeats, size}),
                                            block(kept.key), block(kept.value), 0.0, false, mask))
                                .reshape({sequences, -1});
    x = x.add(Project(attended, {&layer.output})[0]);
    const std::vector<Tensor> gates =
        Project(RmsNorm(x, layer.mlp_norm, size_.epsilon), {&layer.gate, &layer.up});
    x = x.add(GatedProject(gates[0], gates[1], layer.down));
  }
  return RmsNorm(x, final_norm_, size_.epsilon);
}

}  // namespace soul
