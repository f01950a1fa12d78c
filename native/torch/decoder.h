// The Llama decoder: which weights it has, and the way from tokens to final hidden states.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attention.h"
#include "functions.h"
#include "parameter.h"
#include "place.h"

namespace soul {

struct DecoderSize {
  int64_t vocabulary;
  int64_t hidden;
  int64_t intermediate;
  int64_t layers;
  int64_t heads;
  int64_t key_value_heads;
  int64_t head_size;
  double epsilon;
  bool tied;
  bool attention_bias;
  bool mlp_bias;
  bool portable_attention;
};

struct DecoderLayer {
  Parameter attention_norm;
  Projection query, key, value, output;
  Parameter mlp_norm;
  Projection gate, up, down;
};

// Token sequences packed one after the other, without padding, on one device.
struct PackedTokens {
  at::Tensor tokens;             // [rows] int64
  at::Tensor positions;          // [rows] float32: each token's place in its sequence
  std::vector<int64_t> offsets;  // where each sequence begins, and the end
  std::vector<AttentionGroup> groups;
  at::Tensor wanted;    // [wanted rows] int64: the rows whose hidden state is asked for
  at::Tensor distinct;  // [tokens that occur] int64; with `which`, undefined where rows are added exactly
  at::Tensor which;     // [rows] int64: the entry of `distinct` that each row is

  static PackedTokens Pack(const std::vector<int32_t>& tokens, std::vector<int64_t> offsets,
                           const std::vector<int64_t>& wanted, const Place& place);
};

// Keys (rotated) and values of the tokens seen so far; slot = sequence * capacity + position.
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
};

// The rows of one forward pass: `final` [wanted rows, hidden] normalised; `embedded` is the graph's only
// leaf, undefined where no graph was asked for.
struct HiddenStates {
  at::Tensor embedded;
  at::Tensor final;
};

class Decoder {
 public:
  // Gives the views of the parameter `name`, which must have `shape`; throws where it doesn't.
  using ParameterSource =
      std::function<Parameter(const std::string& name, const std::vector<int64_t>& shape)>;

  Decoder(const DecoderSize& size, const Place& place, const std::vector<float>& inverse_frequencies,
          const ParameterSource& parameter);

  const DecoderSize& size() const { return size_; }
  const Place& place() const { return place_; }
  const Parameter& head() const { return size_.tied ? embedding_ : head_; }

  // With `graph`, `final` can be pulled back by `backward`; with `cache`, the keys and values of every token
  // are kept in it.
  HiddenStates Forward(const PackedTokens& batch, bool graph, KeyValueCache* cache = nullptr) const;

  // Adds to every gradient what d_final, the gradient of `states.final`, gives; the graph is spent.
  void Backward(const PackedTokens& batch, HiddenStates states, const at::Tensor& d_final) const;

  // One more token for each sequence of a cache, sequence i at lengths[i]: final hidden states [sequences,
  // hidden].
  at::Tensor Extend(const std::vector<int32_t>& tokens, const std::vector<int64_t>& lengths,
                    KeyValueCache& cache) const;

  // Bytes, about, that a graph over so many rows keeps until it is pulled back.
  int64_t GraphBytes(int64_t rows) const;

  KeyValueCache MakeCache(int64_t sequences, int64_t capacity) const;

 private:
  struct Angles {
    at::Tensor cosine, sine;
  };
  Angles ComputeAngles(const at::Tensor& positions) const;

  void AddEmbeddingGradient(const PackedTokens& batch, const at::Tensor& d_embedded) const;

  DecoderSize size_;
  Place place_;
  AttentionShape shape_;
  at::Tensor inverse_frequencies_;
  Parameter embedding_, head_, final_norm_;
  std::vector<DecoderLayer> layers_;
};

}  // namespace soul
