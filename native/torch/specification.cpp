#include "specification.h"

#include <ATen/ops/from_blob.h>

#include <initializer_list>
#include <numeric>
#include <string>
#include <utility>

#include "packed_attention.h"

namespace soul {
namespace {

constexpr int64_t kMost = int64_t{1} << 31;

Napi::Object ReadObject(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsObject()) ThrowInvalid(object.Env(), std::string(name) + " must be an object");
  return value.As<Napi::Object>();
}

std::vector<Napi::Object> ReadObjects(const Napi::Object& object, const char* name, uint32_t most) {
  const Napi::Value value = object.Get(name);
  const uint32_t length = value.IsArray() ? value.As<Napi::Array>().Length() : 0;
  if (length < 1 || length > most) {
    ThrowInvalid(object.Env(),
                 std::string(name) + " must be an array of 1 to " + std::to_string(most) + " entries");
  }
  std::vector<Napi::Object> entries;
  for (uint32_t i = 0; i < length; ++i) {
    const Napi::Value entry = value.As<Napi::Array>().Get(i);
    if (!entry.IsObject()) ThrowInvalid(object.Env(), std::string(name) + " must hold objects alone");
    entries.push_back(entry.As<Napi::Object>());
  }
  return entries;
}

std::vector<int64_t> ReadSizes(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  std::vector<int64_t> sizes;
  if (value.IsArray()) {
    const auto array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < std::min<uint32_t>(array.Length(), 4); ++i) {
      const Napi::Value size = array.Get(i);
      const double number = size.IsNumber() ? size.As<Napi::Number>().DoubleValue() : 0;
      if (!(number >= 1 && number <= static_cast<double>(kMost) &&
            number == static_cast<double>(static_cast<int64_t>(number)))) {
        break;
      }
      sizes.push_back(static_cast<int64_t>(number));
    }
    if (sizes.size() == array.Length() && !sizes.empty()) return sizes;
  }
  ThrowInvalid(object.Env(), std::string(name) + " must be an array of 1 to 4 sizes");
}

// A number of `choices`' position whose name it has.
template <typename Choice>
Choice ReadChoice(const Napi::Object& object, const char* name,
                  std::initializer_list<std::pair<const char*, Choice>> choices) {
  const Napi::Value value = object.Get(name);
  const std::string given = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  std::string names;
  for (const auto& [choice, meaning] : choices) {
    if (given == choice) return meaning;
    names += std::string(names.empty() ? "" : ", ") + choice;
  }
  ThrowInvalid(object.Env(), std::string(name) + " must be one of " + names);
}

class Reader {
 public:
  Reader(const Napi::Object& specification, const WeightMemory& weights,
         const std::optional<WeightMemory>& adapters)
      : given_(specification),
        env_(specification.Env()),
        weights_(weights),
        adapters_(adapters),
        values_(weights.values) {}

  DecoderParts Read() {
    DecoderParts parts{};
    parts.vocabulary = ReadInteger(given_, "vocabulary", 1, kMost - 1);
    hidden_ = parts.hidden = ReadInteger(given_, "hidden", 1, kMost);
    norm_ = ReadChoice<NormKind>(
        given_, "norm",
        {{"rms", NormKind::kRms}, {"rms+1", NormKind::kRmsPlusOne}, {"layer", NormKind::kLayer}});
    epsilon_ = ReadNumber(given_, "epsilon", 0, 1);
    parts.embedding = ReadMatrix(given_, "embedding", parts.vocabulary, hidden_, false);
    parts.embedding_scale = ReadNumber(given_, "embeddingScale", 0, 1e6);
    if (!given_.Get("positions").IsUndefined()) {
      const int64_t rows = ReadInteger(given_, "positionRows", 1, kMost);
      parts.position_offset = ReadInteger(given_, "positionOffset", 0, rows - 1);
      if (ReadInteger(given_, "maxPositions", 1, kMost) > rows - parts.position_offset) {
        ThrowInvalid(env_, "positionRows must hold maxPositions rows from positionOffset on");
      }
      parts.positions = ReadMatrix(given_, "positions", rows, hidden_, false);
    }
    ReadFrequencies(parts);
    for (const Napi::Object& layer : ReadObjects(given_, "layers", 4096)) {
      parts.layers.push_back(ReadLayer(layer, static_cast<int>(parts.inverse_frequencies.size())));
    }
    parts.final_norm = ReadNorm(given_, "finalNorm", hidden_);
    const Napi::Object head = ReadObject(given_, "head");
    parts.head.weight = ReadMatrix(head, "weight", parts.vocabulary, hidden_, false);
    if (!head.Get("bias").IsUndefined()) parts.head.bias = ReadVector(head, "bias", parts.vocabulary);
    parts.head.softcap = ReadNumber(head, "softcap", 0, 1e6);
    return parts;
  }

 private:
  Parameter View(const WeightMemory& memory, const char* name, int64_t offset,
                 const std::vector<int64_t>& shape) const {
    const FlatMemory& values = memory.values;
    const auto refuse = [&] { ThrowInvalid(env_, std::string(name) + " does not fit into values"); };
    int64_t length = 1;
    for (const int64_t extent : shape) {
      if (length > values.length / extent) refuse();
      length *= extent;
    }
    if (offset > values.length - length) refuse();
    const Place& place = values.place;
    const auto view = [&](const FlatMemory& of) {
      char* data = static_cast<char*>(of.data) + offset * c10::elementSize(place.dtype);
      return at::for_blob(data, shape).options(place.weights()).target_device(place.device()).make_tensor();
    };
    return {view(values), memory.gradients ? view(*memory.gradients) : at::Tensor()};
  }

  // [rows, columns]; with `transposed` the memory holds [columns, rows].
  Parameter ReadMatrix(const Napi::Object& object, const char* name, int64_t rows, int64_t columns,
                       bool transposed) const {
    const int64_t offset = ReadInteger(object, name, 0, values_.length);
    if (!transposed) return View(weights_, name, offset, {rows, columns});
    const Parameter stored = View(weights_, name, offset, {columns, rows});
    return {stored.value.t(), stored.trains() ? stored.gradient.t() : at::Tensor()};
  }

  Parameter ReadVector(const Napi::Object& object, const char* name, int64_t size) const {
    return View(weights_, name, ReadInteger(object, name, 0, values_.length), {size});
  }

  Norm ReadNorm(const Napi::Object& object, const char* name, int64_t size) const {
    const Napi::Object given = ReadObject(object, name);
    Norm norm{ReadVector(given, "weight", size), {}, norm_, epsilon_};
    if (norm_ == NormKind::kLayer) norm.bias = ReadVector(given, "bias", size);
    return norm;
  }

  Norm ReadOptionalNorm(const Napi::Object& object, const char* name, int64_t size) const {
    return object.Get(name).IsUndefined() ? Norm{} : ReadNorm(object, name, size);
  }

  // Beside a projection from `in` columns to `out`; none overlaps another.
  std::vector<Adapter> ReadAdapters(const Napi::Object& projection, int64_t in, int64_t out) const {
    std::vector<Adapter> adapters;
    if (projection.Get("adapters").IsUndefined()) return adapters;
    if (!adapters_) ThrowInvalid(env_, "adapters need memory of their own");
    int64_t end = 0;
    for (const Napi::Object& given : ReadObjects(projection, "adapters", 3)) {
      Adapter adapter;
      const int64_t rank = ReadInteger(given, "rank", 1, kMost);
      adapter.scale = ReadNumber(given, "scale", 0, 1e6);
      adapter.first = ReadInteger(given, "first", end, out - 1);
      adapter.columns = ReadInteger(given, "columns", 1, out - adapter.first);
      end = adapter.first + adapter.columns;
      const auto matrix = [&](const char* name, int64_t rows, int64_t columns) {
        const int64_t offset = ReadInteger(given, name, 0, adapters_->values.length);
        return View(*adapters_, name, offset, {rows, columns});
      };
      adapter.a = matrix("a", rank, in);
      adapter.b = matrix("b", adapter.columns, rank);
      adapters.push_back(std::move(adapter));
    }
    return adapters;
  }

  Bottleneck ReadBottleneck(const Napi::Object& layer, const char* name) const {
    Bottleneck bottleneck{};
    if (layer.Get(name).IsUndefined()) return bottleneck;
    if (!adapters_) ThrowInvalid(env_, "a bottleneck needs memory of its own");
    const Napi::Object given = ReadObject(layer, name);
    const int64_t width = ReadInteger(given, "width", 1, kMost);
    const auto view = [&](const char* part, const std::vector<int64_t>& shape) {
      return View(*adapters_, part, ReadInteger(given, part, 0, adapters_->values.length), shape);
    };
    Projection down;
    down.weight = view("down", {width, hidden_});
    down.bias = view("downBias", {width});
    down.parts = {width};
    bottleneck.down = {std::move(down)};
    bottleneck.up.weight = view("up", {hidden_, width});
    bottleneck.up.bias = view("upBias", {hidden_});
    bottleneck.up.parts = {hidden_};
    bottleneck.activation = ReadActivation(given);
    return bottleneck;
  }

  Activation ReadActivation(const Napi::Object& object) const {
    return ReadChoice<Activation>(object, "activation",
                                  {{"silu", Activation::kSilu},
                                   {"gelu", Activation::kGelu},
                                   {"gelu_tanh", Activation::kGeluTanh},
                                   {"relu", Activation::kRelu}});
  }

  // From `in` columns to parts of these sizes; those of `head_size`, where they are heads, may be
  // interleaved.
  ProjectionGroup ReadProjections(const Napi::Object& object, const char* name, int64_t in,
                                  const std::vector<int64_t>& expected, int64_t head_size = 0) const {
    ProjectionGroup group;
    std::vector<int64_t> found;
    for (const Napi::Object& given : ReadObjects(object, name, 3)) {
      Projection projection;
      projection.parts = ReadSizes(given, "parts");
      found.insert(found.end(), projection.parts.begin(), projection.parts.end());
      const int64_t out = std::accumulate(projection.parts.begin(), projection.parts.end(), int64_t{0});
      projection.weight = ReadMatrix(given, "weight", out, in, ReadBoolean(given, "transposed"));
      if (!given.Get("bias").IsUndefined()) projection.bias = ReadVector(given, "bias", out);
      projection.interleaved_heads = ReadInteger(given, "interleavedHeads", 0, 65536);
      if (projection.interleaved_heads > 0) {
        for (const int64_t part : projection.parts) {
          if (part == projection.interleaved_heads * head_size) continue;
          ThrowInvalid(env_, std::string(name) + ": interleaved parts must have interleavedHeads heads each");
        }
      }
      projection.adapters = ReadAdapters(given, in, out);
      group.push_back(std::move(projection));
    }
    if (found != expected)
      ThrowInvalid(env_, std::string(name) + ": parts do not have the sizes of this layer");
    return group;
  }

  AttentionKind ReadAttentionKind(const AttentionShape& shape) const {
    const auto kind = ReadChoice<AttentionKind>(given_, "attention",
                                                {{"host", AttentionKind::kHost},
                                                 {"portable", AttentionKind::kPortable},
                                                 {"packed", AttentionKind::kPacked}});
    if (kind == AttentionKind::kHost && values_.place.on_device()) {
      ThrowInvalid(env_, "attention must be portable or packed on a device");
    }
    if (kind == AttentionKind::kPacked && !PackedAttentionTakes(shape, values_.place)) {
      ThrowInvalid(env_,
                   "attention can be packed in bf16 on a device, with heads of a multiple of 8 up to 256 "
                   "and without a cap");
    }
    return kind;
  }

  void ReadFrequencies(DecoderParts& parts) const {
    const Napi::Value tables = given_.Get("inverseFrequencies");
    if (!tables.IsArray()) ThrowInvalid(env_, "inverseFrequencies must be an array of Float32Arrays");
    const auto array = tables.As<Napi::Array>();
    if (array.Length() > 64) ThrowInvalid(env_, "inverseFrequencies must have at most 64 entries");
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const std::vector<float> frequencies = ReadFloats(array.Get(i), "inverseFrequencies");
      if (frequencies.empty()) ThrowInvalid(env_, "inverseFrequencies must not be empty");
      parts.inverse_frequencies.push_back(at::tensor(frequencies).to(values_.place.device()));
    }
  }

  DecoderLayer ReadLayer(const Napi::Object& given, int rotary_tables) const {
    DecoderLayer layer{};
    const int64_t heads = ReadInteger(given_, "heads", 1, 65536),
                  key_heads = ReadInteger(given_, "keyValueHeads", 1, 65536),
                  size = ReadInteger(given_, "headSize", 1, 65536),
                  inner = ReadInteger(given_, "intermediate", 1, kMost);
    if (heads % key_heads != 0) ThrowInvalid(env_, "heads must be a multiple of keyValueHeads");
    const int64_t query = heads * size, key = key_heads * size;
    layer.attention_norm = ReadNorm(given, "attentionNorm", hidden_);
    layer.attention_input = ReadProjections(given, "attentionInput", hidden_, {query, key, key}, size);
    layer.query_norm = ReadOptionalNorm(given, "queryNorm", size);
    layer.key_norm = ReadOptionalNorm(given, "keyNorm", size);
    layer.rotary = static_cast<int>(ReadInteger(given, "rotary", -1, rotary_tables - 1));
    layer.attention = {heads,
                       key_heads,
                       size,
                       ReadNumber(given, "scale", 0, 1e6),
                       ReadInteger(given, "window", 0, kMost),
                       ReadNumber(given_, "softcap", 0, 1e6),
                       AttentionKind::kPortable};
    layer.attention.kind = ReadAttentionKind(layer.attention);
    layer.attention_output = ReadProjections(given, "attentionOutput", query, {hidden_});
    layer.attention_post_norm = ReadOptionalNorm(given, "attentionPostNorm", hidden_);
    layer.parallel = ReadBoolean(given_, "parallel");
    layer.mlp_norm =
        layer.parallel ? ReadOptionalNorm(given, "mlpNorm", hidden_) : ReadNorm(given, "mlpNorm", hidden_);
    layer.gated = ReadBoolean(given_, "gated");
    layer.mlp_input =
        ReadProjections(given, "mlpInput", hidden_,
                        layer.gated ? std::vector<int64_t>{inner, inner} : std::vector<int64_t>{inner});
    layer.mlp_output = ReadProjections(given, "mlpOutput", inner, {hidden_})[0];
    layer.mlp_bottleneck = ReadBottleneck(given, "mlpBottleneck");
    layer.mlp_post_norm = ReadOptionalNorm(given, "mlpPostNorm", hidden_);
    layer.activation = ReadActivation(given_);
    return layer;
  }

  const Napi::Object& given_;
  Napi::Env env_;
  const WeightMemory& weights_;
  const std::optional<WeightMemory>& adapters_;
  const FlatMemory& values_;
  int64_t hidden_ = 0;
  NormKind norm_ = NormKind::kRms;
  double epsilon_ = 0;
};

}  // namespace

DecoderParts ReadDecoder(const Napi::Object& specification, const WeightMemory& weights,
                         const std::optional<WeightMemory>& adapters) {
  DecoderParts parts = Reader(specification, weights, adapters).Read();
  for (const DecoderLayer& layer : parts.layers) {
    if (layer.rotary < 0) continue;
    const int64_t turned = 2 * parts.inverse_frequencies[static_cast<size_t>(layer.rotary)].size(0);
    if (turned > layer.attention.head_size) {
      ThrowInvalid(specification.Env(), "inverseFrequencies must have at most half of headSize");
    }
  }
  return parts;
}

}  // namespace soul
