#include "decoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
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
                                const std::vector<int64_t>& wanted, const Place& place) {
  std::vector<float> positions;
  positions.reserve(tokens.size());
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    for (int64_t t = offsets[i]; t < offsets[i + 1]; ++t)
      positions.push_back(static_cast<float>(t - offsets[i]));
  }
  std::vector<AttentionGroup> groups = GroupSequences(offsets, place);
  PackedTokens packed{Upload(std::vector<int64_t>(tokens.begin(), tokens.end()), place),
                      Upload(positions, place),
                      std::move(offsets),
                      std::move(groups),
                      Upload(wanted, place),
                      {},
                      {}};
  if (place.adds_rows_exactly()) return packed;
  std::vector<int64_t> distinct(tokens.begin(), tokens.end()), which;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  which.reserve(tokens.size());
  for (const int32_t token : tokens) {
    which.push_back(std::lower_bound(distinct.begin(), distinct.end(), token) - distinct.begin());
  }
  packed.distinct = Upload(distinct, place);
  packed.which = Upload(which, place);
  return packed;
}

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

Decoder::Decoder(const DecoderSize& size, const Place& place, const std::vector<float>& inverse_frequencies,
                 const ParameterSource& parameter)
    : size_(size),
      place_(place),
      shape_{size.heads, size.key_value_heads, size.head_size, size.portable_attention || place.on_device()},
      inverse_frequencies_(at::tensor(inverse_frequencies).to(place.device())) {
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
  return {angle.cos().to(place_.dtype), angle.sin().to(place_.dtype)};
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
    slots = Upload(places, place_);
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
  AddEmbeddingGradient(batch, d_embedded);
}

void Decoder::AddEmbeddingGradient(const PackedTokens& batch, const Tensor& d_embedded) const {
  Tensor gradient = embedding_.gradient;
  if (place_.adds_rows_exactly()) {
    gradient.index_add_(0, batch.tokens, d_embedded);
    return;
  }
  // A token's rows are summed in float32 and rounded once, and in an order of their own: index_add_ would add
  // them as they come on a device.
  Tensor sums = gradient.index_select(0, batch.distinct).to(at::kFloat);
  const c10::List<std::optional<Tensor>> rows({batch.which});
  sums.index_put_(rows, d_embedded.to(at::kFloat), /*accumulate=*/true);
  gradient.index_copy_(0, batch.distinct, sums.to(place_.dtype));
}

int64_t Decoder::GraphBytes(int64_t rows) const {
  const int64_t attention = 2 * (size_.heads + size_.key_value_heads) * size_.head_size;
  return rows * size_.layers * (4 * size_.hidden + attention + 2 * size_.intermediate) *
         static_cast<int64_t>(c10::elementSize(place_.dtype));
}

KeyValueCache Decoder::MakeCache(int64_t sequences, int64_t capacity) const {
  KeyValueCache cache{{}, sequences, capacity};
  const std::vector<int64_t> shape = {sequences * capacity, size_.key_value_heads * size_.head_size};
  for (int64_t i = 0; i < size_.layers; ++i) {
    cache.layers.push_back({at::zeros(shape, place_.weights()), at::zeros(shape, place_.weights())});
  }
  return cache;
}

Tensor Decoder::Extend(const std::vector<int32_t>& tokens, const std::vector<int64_t>& lengths,
                       KeyValueCache& cache) const {
  const at::NoGradGuard no_grad;
  const int64_t sequences = cache.sequences, size = size_.head_size, key_heads = size_.key_value_heads;
  const int64_t repeats = size_.heads / key_heads,
                longest = *std::max_element(lengths.begin(), lengths.end()) + 1;
  const Tensor positions = Upload(lengths, place_);
  const Angles turn = ComputeAngles(positions.to(at::kFloat));
  const Tensor slots = at::arange(sequences, place_.indexes()).mul_(cache.capacity).add_(positions);
  const Tensor visible = at::arange(longest, place_.indexes()).unsqueeze(0).le(positions.unsqueeze(1));
  const Tensor mask = at::where(visible, 0.0, -std::numeric_limits<double>::infinity())
                          .to(place_.dtype)
                          .view({sequences, 1, 1, longest})
                          .expand({sequences, 1, repeats, longest});
  // The queries of a group share keys and values, so they stand where the rows of one head would.
  const auto block = [&](const Tensor& cached) {
    return cached.view({sequences, cache.capacity, key_heads, size}).narrow(1, 0, longest).transpose(1, 2);
  };

  Tensor x =
      embedding_.value.index_select(0, Upload(std::vector<int64_t>(tokens.begin(), tokens.end()), place_));
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
    const Tensor attended = AttendMasked(query.view({sequences, key_heads, repeats, size}), block(kept.key),
                                         block(kept.value), mask, shape_)
                                .reshape({sequences, -1});
    x = x.add(Project(attended, {&layer.output})[0]);
    const std::vector<Tensor> gates =
        Project(RmsNorm(x, layer.mlp_norm, size_.epsilon), {&layer.gate, &layer.up});
    x = x.add(GatedProject(gates[0], gates[1], layer.down));
  }
  return RmsNorm(x, final_norm_, size_.epsilon);
}

}  // namespace soul
