#include "decoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/util/BFloat16.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "job.h"
#include "norms.h"

namespace soul {
namespace {

using at::Tensor;

Tensor GramWithOnes(const Tensor& rows) {
  const Tensor wide = rows.to(at::kDouble);
  const Tensor extended = at::cat({wide, at::ones({wide.size(0), 1}, wide.options())}, 1);
  return at::mm(extended.t(), extended);
}

// Behind an MLP; `grams`, where there are some, are those of what enters it.
Tensor RunBottleneck(const Bottleneck& bottleneck, const Tensor& x, BottleneckGrams* grams) {
  const Tensor narrow = Project(x, bottleneck.down)[0];
  if (grams) *grams = {GramWithOnes(x), GramWithOnes(Activate(narrow, bottleneck.activation))};
  return x.add(ActivatedProject(narrow, bottleneck.up, bottleneck.activation));
}

// The body that all passes share. `attend` takes queries, keys and values [rows, heads, size] to [rows, heads
// * size]; where `wanted` is defined, only those rows go on after attention.
template <typename Attention>
Tensor RunLayer(const DecoderLayer& layer, Tensor x, const Tensor& wanted, const Attention& attend,
                BottleneckGrams* grams = nullptr) {
  const int64_t rows = x.size(0);
  Tensor normal = Normalise(x, layer.attention_norm);
  const std::vector<Tensor> parts = ProjectNormal(normal, layer.attention_input, x, layer.attention_norm);
  const auto heads = [&](const Tensor& part) {
    return part.dim() == 3 ? part : part.view({rows, -1, layer.attention.head_size});
  };
  AttentionInput input{heads(parts[0]), heads(parts[1]), heads(parts[2])};
  if (layer.query_norm.defined()) input.query = Normalise(input.query, layer.query_norm);
  if (layer.key_norm.defined()) input.key = Normalise(input.key, layer.key_norm);
  Tensor attended = attend(input);
  if (wanted.defined()) {
    attended = attended.index_select(0, wanted);
    x = x.index_select(0, wanted);
    if (layer.parallel && !layer.mlp_norm.defined()) normal = normal.index_select(0, wanted);
  }
  attended = Project(attended, layer.attention_output)[0];
  if (layer.attention_post_norm.defined()) attended = Normalise(attended, layer.attention_post_norm);
  if (!layer.parallel) x = x.add(attended);
  const std::vector<Tensor> inner =
      layer.mlp_norm.defined()
          ? ProjectNormal(Normalise(x, layer.mlp_norm), layer.mlp_input, x, layer.mlp_norm)
          : Project(normal, layer.mlp_input);
  Tensor output = layer.gated ? GatedProject(inner[0], inner[1], layer.mlp_output, layer.activation)
                              : ActivatedProject(inner[0], layer.mlp_output, layer.activation);
  if (layer.mlp_bottleneck.defined()) output = RunBottleneck(layer.mlp_bottleneck, output, grams);
  if (layer.mlp_post_norm.defined()) output = Normalise(output, layer.mlp_post_norm);
  return layer.parallel ? x.add(attended.add(output)) : x.add(output);
}

}  // namespace

float Decoder::EmbeddingScale() const {
  // It has the dtype of the weights, as in transformers.
  const float scale = static_cast<float>(parts_.embedding_scale);
  return place_.dtype == at::kBFloat16 ? static_cast<float>(c10::BFloat16(scale)) : scale;
}

Tensor Decoder::Embed(const Tensor& tokens, const Tensor& positions) const {
  Tensor x = parts_.embedding.value.index_select(0, tokens);
  if (parts_.embedding_scale != 1) x.mul_(EmbeddingScale());
  if (parts_.positions.defined()) {
    x.add_(parts_.positions.value.index_select(0, positions.add(parts_.position_offset)));
  }
  return x;
}

std::vector<Angles> Decoder::Turns(const Tensor& positions) const {
  std::vector<Angles> turns;
  for (const Tensor& frequencies : parts_.inverse_frequencies) {
    const Tensor angle = positions.to(at::kFloat).unsqueeze(1).mul(frequencies).unsqueeze(1);
    turns.push_back({angle.cos().to(place_.dtype), angle.sin().to(place_.dtype)});
  }
  return turns;
}

SharedByLayers Decoder::Share(const PackedTokens& batch, size_t layers) const {
  SharedByLayers shared{Turns(batch.positions.rows), {}};
  for (size_t i = 0; i < layers; ++i) {
    const AttentionShape& shape = parts_.layers[i].attention;
    // Few kinds of masks: what an earlier layer has is taken again.
    size_t like = 0;
    while (like < i && parts_.layers[like].attention.window != shape.window) ++like;
    shared.masks.push_back(like < i ? shared.masks[like] : MakeMasks(batch.groups, shape, place_));
  }
  return shared;
}

Tensor Decoder::RunPacked(size_t i, const Tensor& x, const PackedTokens& batch, const SharedByLayers& shared,
                          After after, KeyValueCache* cache, const Tensor& slots,
                          BottleneckGrams* grams) const {
  const DecoderLayer& layer = parts_.layers[i];
  const Angles turn = layer.rotary < 0 ? Angles{} : shared.turns[static_cast<size_t>(layer.rotary)];
  const auto attend = [&](AttentionInput& input) {
    const Tensor attended =
        Attend(input, turn, batch.groups, shared.masks[i], batch.sequences, layer.attention);
    if (cache) {
      cache->layers[i].key.index_copy_(0, slots, input.key.reshape({input.key.size(0), -1}));
      cache->layers[i].value.index_copy_(0, slots, input.value.reshape({input.value.size(0), -1}));
    }
    return attended;
  };
  // After the last attention no row looks at another: the rows that nobody asked for end here.
  const Tensor output = RunLayer(layer, x, after == After::kLayer ? Tensor() : batch.wanted, attend, grams);
  return after == After::kFinalNorm ? Normalise(output, parts_.final_norm) : output;
}

HiddenStates Decoder::Forward(const PackedTokens& batch, Graph graph, KeyValueCache* cache) const {
  return Run(batch, parts_.layers.size(), After::kFinalNorm, graph, cache);
}

HiddenStates Decoder::ForwardTo(int64_t layer, const PackedTokens& batch, Graph graph) const {
  return Run(batch, static_cast<size_t>(layer) + 1, After::kNothing, graph, nullptr);
}

HiddenStates Decoder::ForwardAsLast(int64_t layer, const PackedTokens& batch) const {
  return Run(batch, static_cast<size_t>(layer) + 1, After::kFinalNorm, Graph::kNone, nullptr);
}

std::vector<BottleneckGrams> Decoder::BottleneckInputs(const PackedTokens& batch) const {
  std::vector<BottleneckGrams> grams(parts_.layers.size());
  Run(batch, parts_.layers.size(), After::kNothing, Graph::kNone, nullptr, &grams);
  return grams;
}

HiddenStates Decoder::Run(const PackedTokens& batch, size_t layers, After after_last, Graph graph,
                          KeyValueCache* cache, std::vector<BottleneckGrams>* grams) const {
  const at::NoGradGuard no_grad;
  HiddenStates states;
  states.shared = Share(batch, layers);
  states.after_last = after_last;
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
  Tensor x = Embed(batch.tokens.rows, batch.positions.rows);
  for (size_t i = 0; i < layers; ++i) {
    ThrowIfCancelled();
    const at::AutoGradMode mode(graph == Graph::kWhole);
    if (graph == Graph::kWhole) x.requires_grad_();
    const After after = i + 1 < layers ? After::kLayer : after_last;
    Tensor output =
        RunPacked(i, x, batch, states.shared, after, cache, slots, grams ? &(*grams)[i] : nullptr);
    if (graph != Graph::kNone) states.segments.push_back({x, graph == Graph::kWhole ? output : Tensor()});
    x = output.detach();
  }
  states.final = x;
  return states;
}

bool Decoder::HasBottlenecks() const {
  return std::all_of(parts_.layers.begin(), parts_.layers.end(),
                     [](const DecoderLayer& layer) { return layer.mlp_bottleneck.defined(); });
}

void Decoder::Backward(const PackedTokens& batch, HiddenStates states, const Tensor& d_final,
                       bool keep) const {
  Tensor d_output = d_final;
  After after = states.after_last;
  for (size_t i = states.segments.size(); i-- > 0; after = After::kLayer) {
    ThrowIfCancelled();
    HiddenStates::Segment segment = std::exchange(states.segments[i], {});
    if (!segment.output.defined()) {
      const at::AutoGradMode mode(true);
      segment.input.requires_grad_();
      segment.output = RunPacked(i, segment.input, batch, states.shared, after, nullptr, {});
    }
    d_output = torch::autograd::grad({segment.output}, {segment.input}, {d_output}, keep)[0];
  }
  const at::NoGradGuard no_grad;
  if (parts_.positions.trains()) {
    const TableRows& rows = batch.positions;
    TableRows shifted{rows.rows.add(parts_.position_offset), rows.distinct, rows.which};
    if (rows.distinct.defined()) shifted.distinct = rows.distinct.add(parts_.position_offset);
    shifted.AddGradient(parts_.positions, d_output, place_);
  }
  if (!parts_.embedding.trains()) return;
  if (parts_.embedding_scale != 1) d_output = d_output.mul(EmbeddingScale());
  batch.tokens.AddGradient(parts_.embedding, d_output, place_);
}

int64_t Decoder::GraphBytes(int64_t rows, Graph graph, int64_t layers) const {
  int64_t columns = 0;
  for (size_t i = 0; i < parts_.layers.size() && static_cast<int64_t>(i) < layers; ++i) {
    const DecoderLayer& layer = parts_.layers[i];
    columns += parts_.hidden;
    if (graph != Graph::kWhole) continue;
    // The input is kept by the norm; two normalised inputs, the sum, attention's output.
    columns += 3 * parts_.hidden + layer.attention.heads * layer.attention.head_size;
    for (const ProjectionGroup* group : {&layer.attention_input, &layer.mlp_input}) {
      for (const Projection& projection : *group) columns += projection.weight.value.size(0);
    }
    // What the MLP gives is kept where a bottleneck reads it.
    if (layer.mlp_bottleneck.defined()) {
      columns += parts_.hidden + layer.mlp_bottleneck.up.weight.value.size(1);
    }
  }
  return rows * columns * static_cast<int64_t>(c10::elementSize(place_.dtype));
}

KeyValueCache Decoder::MakeCache(int64_t sequences, int64_t capacity) const {
  KeyValueCache cache{{}, sequences, capacity};
  for (const DecoderLayer& layer : parts_.layers) {
    const int64_t width = layer.attention.key_value_heads * layer.attention.head_size;
    cache.layers.push_back({at::zeros({sequences * capacity, width}, place_.weights()),
                            at::zeros({sequences * capacity, width}, place_.weights())});
  }
  return cache;
}

Tensor Decoder::Extend(const std::vector<int32_t>& tokens, const std::vector<int64_t>& lengths,
                       KeyValueCache& cache) const {
  const at::NoGradGuard no_grad;
  const int64_t sequences = cache.sequences, longest = *std::max_element(lengths.begin(), lengths.end()) + 1;
  const Tensor positions = Upload(lengths, place_);
  const std::vector<Angles> turns = Turns(positions);
  const Tensor slots = at::arange(sequences, place_.indexes()).mul_(cache.capacity).add_(positions);
  // How far before a sequence's newest token each position is.
  const Tensor back = positions.unsqueeze(1).sub(at::arange(longest, place_.indexes()));
  int64_t masked_for = -1;
  Tensor mask;

  Tensor x = Embed(Upload(std::vector<int64_t>(tokens.begin(), tokens.end()), place_), positions);
  for (size_t i = 0; i < parts_.layers.size(); ++i) {
    ThrowIfCancelled();
    const DecoderLayer& layer = parts_.layers[i];
    const AttentionShape& shape = layer.attention;
    const int64_t key_heads = shape.key_value_heads, size = shape.head_size,
                  repeats = shape.heads / key_heads;
    if (masked_for != shape.window) {
      Tensor visible = back.ge(0);
      if (shape.window > 0) visible = visible.logical_and(back.lt(shape.window));
      mask = at::where(visible, 0.0, -std::numeric_limits<double>::infinity())
                 .to(place_.dtype)
                 .view({sequences, 1, 1, longest});
      masked_for = shape.window;
    }
    // The queries of a group share keys and values, so they stand where the rows of one head would.
    const auto block = [&](const Tensor& cached) {
      return cached.view({sequences, cache.capacity, key_heads, size}).narrow(1, 0, longest).transpose(1, 2);
    };
    const auto attend = [&](AttentionInput& input) {
      KeyValueCache::Layer& kept = cache.layers[i];
      if (layer.rotary >= 0) {
        const Angles& turn = turns[static_cast<size_t>(layer.rotary)];
        RotateInPlace(input.query, turn);
        RotateInPlace(input.key, turn);
      }
      kept.key.index_copy_(0, slots, input.key.reshape({sequences, -1}));
      kept.value.index_copy_(0, slots, input.value.reshape({sequences, -1}));
      return AttendMasked(input.query.reshape({sequences, key_heads, repeats, size}), block(kept.key),
                          block(kept.value), mask.expand({sequences, 1, repeats, longest}), shape)
          .reshape({sequences, -1});
    };
    x = RunLayer(layer, x, {}, attend);
  }
  return Normalise(x, parts_.final_norm);
}

}  // namespace soul
