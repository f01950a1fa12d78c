// A decoder: the way from tokens to final hidden states, whichever family it is of. What a family's layers
// are made of comes as slots that are filled or empty; no name of a family or of a weight is known here.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <vector>

#include "attention.h"
#include "key_value_cache.h"
#include "packed_tokens.h"
#include "parameter.h"
#include "place.h"
#include "projections.h"
#include "rotation.h"

namespace soul {

// A bottleneck behind an MLP: y becomes y + up(activation(down(y))).
struct Bottleneck {
  ProjectionGroup down;  // one, or none where there is no bottleneck
  Projection up;
  Activation activation;

  bool defined() const { return !down.empty(); }
};

// X^T X of what enters a bottleneck, each input with a 1 behind it: float64, [hidden + 1, hidden + 1] of what
// `down` reads and [width + 1, width + 1] of what `up` reads.
struct BottleneckGrams {
  at::Tensor down, up;
};

// Slots that a family does not have are undefined.
struct DecoderLayer {
  Norm attention_norm;
  ProjectionGroup attention_input;  // parts: queries, keys, values
  Norm query_norm, key_norm;        // over each head
  AttentionShape attention;
  int rotary;                        // index of its frequencies; -1: queries and keys are not turned
  ProjectionGroup attention_output;  // one
  Norm attention_post_norm;          // before the residual sum
  Norm mlp_norm;                     // undefined in a parallel layer whose MLP reads what attention reads
  ProjectionGroup mlp_input;         // parts: gate and up, or one
  Projection mlp_output;
  Bottleneck mlp_bottleneck;  // before the norm after the MLP
  Norm mlp_post_norm;
  Activation activation;
  bool gated;
  bool parallel;  // the MLP reads the layer's input, not attention's sum with it
};

struct DecoderParts {
  int64_t vocabulary;
  int64_t hidden;
  Parameter embedding;
  double embedding_scale;
  Parameter positions;      // a learned embedding of positions; undefined where there is none
  int64_t position_offset;  // its row of a sequence's first token
  std::vector<at::Tensor> inverse_frequencies;  // float32 [turned / 2] each, on the decoder's device
  std::vector<DecoderLayer> layers;
  Norm final_norm;
  OutputHead head;
};

// What the layers of one pass share.
struct SharedByLayers {
  std::vector<Angles> turns;                   // by the index of frequencies
  std::vector<std::vector<at::Tensor>> masks;  // of each layer, for each attention group
};

// What comes after a layer of a pass.
enum class After {
  kLayer,      // the next one
  kNothing,    // the wanted rows are asked for as they are
  kFinalNorm,  // they are asked for normalised
};

// The rows of one forward pass: `final` [wanted rows, hidden], normalised where it went through all layers.
// With a graph there is a segment for each layer, from its input to its output (the last one's is `final`);
// where the graph is computed again, the output is undefined until then.
struct HiddenStates {
  struct Segment {
    at::Tensor input, output;
  };
  std::vector<Segment> segments;
  SharedByLayers shared;
  After after_last;
  at::Tensor final;
};

enum class Graph {
  kNone,
  kWhole,
  kInputs,  // of each layer only its input is kept; Backward computes the layer again
};

class Decoder {
 public:
  Decoder(DecoderParts parts, const Place& place) : parts_(std::move(parts)), place_(place) {}
  // Graphs hold the layers by address.
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  int64_t vocabulary() const { return parts_.vocabulary; }
  int64_t hidden() const { return parts_.hidden; }
  int64_t layers() const { return static_cast<int64_t>(parts_.layers.size()); }
  const Place& place() const { return place_; }
  const OutputHead& head() const { return parts_.head; }

  // Calls visit(projection) for those of all layers.
  template <typename Visit>
  void ForProjections(const Visit& visit) const {
    for (const DecoderLayer& layer : parts_.layers) {
      for (const ProjectionGroup* group :
           {&layer.attention_input, &layer.attention_output, &layer.mlp_input}) {
        for (const Projection& projection : *group) visit(projection);
      }
      visit(layer.mlp_output);
    }
  }

  // With `cache`, which is for passes without a graph, the keys and values of every token are kept in it.
  HiddenStates Forward(const PackedTokens& batch, Graph graph, KeyValueCache* cache = nullptr) const;

  // Through layer `layer` alone, counted from 0: the residual stream after it, without the final norm.
  HiddenStates ForwardTo(int64_t layer, const PackedTokens& batch, Graph graph) const;

  // The same, normalised: what the head would read if layer `layer` were the last.
  HiddenStates ForwardAsLast(int64_t layer, const PackedTokens& batch) const;

  bool HasBottlenecks() const;  // in every layer

  // Of every layer, over the rows that a pass runs; HasBottlenecks() must hold.
  std::vector<BottleneckGrams> BottleneckInputs(const PackedTokens& batch) const;

  // Adds to every gradient what d_final, the gradient of `states.final`, gives; the graph is spent unless it
  // is to be kept.
  void Backward(const PackedTokens& batch, HiddenStates states, const at::Tensor& d_final,
                bool keep = false) const;

  // One more token for each sequence of a cache, sequence i at lengths[i]: final hidden states [sequences,
  // hidden].
  at::Tensor Extend(const std::vector<int32_t>& tokens, const std::vector<int64_t>& lengths,
                    KeyValueCache& cache) const;

  // Bytes, about, that a graph over so many rows, and the first layers or all, keeps until it is pulled back.
  int64_t GraphBytes(int64_t rows, Graph graph, int64_t layers = std::numeric_limits<int64_t>::max()) const;

  KeyValueCache MakeCache(int64_t sequences, int64_t capacity) const;

 private:
  float EmbeddingScale() const;
  at::Tensor Embed(const at::Tensor& tokens, const at::Tensor& positions) const;
  std::vector<Angles> Turns(const at::Tensor& positions) const;
  SharedByLayers Share(const PackedTokens& batch, size_t layers) const;
  HiddenStates Run(const PackedTokens& batch, size_t layers, After after_last, Graph graph,
                   KeyValueCache* cache, std::vector<BottleneckGrams>* grams = nullptr) const;
  // Layer i of a pass over packed sequences; the last one ends in `final`.
  at::Tensor RunPacked(size_t i, const at::Tensor& x, const PackedTokens& batch, const SharedByLayers& shared,
                       After after, KeyValueCache* cache, const at::Tensor& slots,
                       BottleneckGrams* grams = nullptr) const;

  DecoderParts parts_;
  Place place_;
};

}  // namespace soul
