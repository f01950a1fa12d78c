// The engine addon: models and the calls on them. Everything is kept per environment.
#include <napi.h>
#include <torch/version.h>

#include <memory>
#include <optional>
#include <utility>

#include "arguments.h"
#include "device_turn.h"
#include "gauss_newton.h"
#include "generate.h"
#include "handles.h"
#include "host.h"
#include "job.h"
#include "merge.h"
#include "pass_calls.h"
#include "passes.h"
#include "specification.h"

namespace soul {
namespace {

// init(interface): hands over the table of the first addon.
Napi::Value Init(const Napi::CallbackInfo& info) {
  const auto& table = ReadHandle<SoulInterface>(info[0], kInterfaceTag, "interface");
  if (table.version != SOUL_INTERFACE_VERSION || table.size < sizeof(SoulInterface)) {
    ThrowInvalid(info.Env(), "the engine was built for version " + std::to_string(SOUL_INTERFACE_VERSION) +
                                 " of the addon's interface, but the addon has version " +
                                 std::to_string(table.version));
  }
  Environment& environment = *info.Env().GetInstanceData<Environment>();
  if (environment.table) return info.Env().Undefined();
  environment.table = &table;
  Guarded(info.Env(), [] { PrepareHost(); });
  // Hooks run in reverse order: jobs of this addon end before anything they use is freed.
  info.Env().AddCleanupHook([closing = environment.closing, &table] {
    *closing = true;
    table.shut_down(table.dispatcher);
  });
  return info.Env().Undefined();
}

// loadLibraries(files): for all environments of the process; libtorch must not have been used before.
Napi::Value LoadLibraryFiles(const Napi::CallbackInfo& info) {
  const std::vector<std::string> files = ReadStrings(info[0], "files");
  Guarded(info.Env(), [&] { LoadLibraries(files); });
  return info.Env().Undefined();
}

// createModel(specification, values, gradients, adapterValues?, adapterGradients?): with adapters the weights
// have no gradients.
Napi::Value CreateModel(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Environment& environment = ReadEnvironment(env);
  if (!info[0].IsObject()) ThrowInvalid(env, "specification must be an object");
  const auto given = info[0].As<Napi::Object>();
  const WeightMemory weights = ReadWeightMemory(info[1], info[2], "values", "gradients");
  const Place place = weights.values.place;
  std::optional<WeightMemory> adapters;
  if (!info[3].IsUndefined()) {
    adapters = ReadWeightMemory(info[3], info[4], "adapterValues", "adapterGradients");
    const Place& other = adapters->values.place;
    if (place.dtype != other.dtype || place.ordinal != other.ordinal) {
      ThrowInvalid(env, "adapterValues must have the dtype of values and lie on their device");
    }
    // What trains would change what is frozen.
    CheckApart(env, "adapterValues", adapters->values, "values", weights.values);
    if (adapters->gradients) {
      CheckApart(env, "adapterGradients", *adapters->gradients, "values", weights.values);
      CheckApart(env, "adapterGradients", *adapters->gradients, "adapterValues", adapters->values);
    }
  }
  const WeightMemory& trained = adapters ? *adapters : weights;
  if (!trained.gradients || (adapters && weights.gradients)) {
    ThrowInvalid(env, "there must be gradients of the adapters, or without adapters of the weights");
  }
  if (place.on_device()) Guarded(env, [&] { PrepareDevice(place.ordinal); });
  auto handle = std::make_unique<ModelHandle>();
  handle->longest = ReadInteger(given, "maxPositions", 1, int64_t{1} << 31);
  const int threads = static_cast<int>(ReadInteger(given, "threads", 0, 4096));
  const int64_t logits_memory = ReadInteger(given, "logitsMemory", 1, int64_t{1} << 50);
  const Graph graph = ReadBoolean(given, "checkpointActivations") ? Graph::kInputs : Graph::kWhole;
  handle->model = Guarded(env, [&] {
    return std::shared_ptr<const Model>(new Model{{ReadDecoder(given, weights, adapters), place},
                                                  TokenLosses(*environment.table, place),
                                                  threads,
                                                  logits_memory,
                                                  graph});
  });
  const auto hold = [&](size_t index, const FlatMemory& memory) {
    return HeldMemory{Napi::Reference<Napi::Value>::New(info[index], 1), memory.released};
  };
  handle->values = hold(adapters ? 3 : 1, trained.values);
  handle->gradients = hold(adapters ? 4 : 2, *trained.gradients);
  if (adapters) handle->frozen = hold(1, weights.values);
  return MakeHandle(env, std::move(handle), kModelTag);
}

// releaseModel(model): calls made before still run; lets go of the memory once they are done.
Napi::Value ReleaseModel(const Napi::CallbackInfo& info) {
  ModelHandle& handle = ReadHandle<ModelHandle>(info[0], kModelTag, "model");
  if (!handle.model) return info.Env().Undefined();
  const int32_t device = handle.model->place().ordinal;
  handle.model.reset();
  return Post(
      info.Env(), {info[0]}, device, [device] { GiveMemoryBack(device); },
      [&handle](Napi::Env env) {
        for (HeldMemory* memory : {&handle.values, &handle.gradients, &handle.frozen}) memory->value.Reset();
        return env.Undefined();
      });
}

// merge(model, target, cancelled?): the weights with their adapters, into memory like theirs
Napi::Value Merge(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ModelHandle& handle = ReadModel(info[0]);
  if (handle.frozen.value.IsEmpty()) ThrowInvalid(env, "model must have adapters");
  const FlatMemory weights = ReadMemory(handle.frozen.value.Value(), "values"),
                   target = ReadMemory(info[1], "target");
  if (target.place.dtype != weights.place.dtype || target.length != weights.length ||
      target.place.ordinal != weights.place.ordinal) {
    ThrowInvalid(env, "target must be of the weights' dtype and length and on their device");
  }
  CheckApart(env, "target", target, "values", weights);
  CheckApart(env, "target", target, "adapterValues",
             ReadMemory(handle.values.value.Value(), "adapterValues"));
  CheckApart(env, "target", target, "adapterGradients",
             ReadMemory(handle.gradients.value.Value(), "adapterGradients"));
  const auto [from, into] = Guarded(env, [&] { return std::pair(Flat(weights), Flat(target)); });
  return Post(
      env, {info[0], info[1], info[2]}, weights.place.ordinal,
      [model = handle.model, from = from, into = into] {
        UseThreads(*model);
        MergeAdapters(model->decoder, from, into);
      },
      [](Napi::Env environment) { return environment.Undefined(); }, ReadCancellation(info[2]));
}

// bottleneckInputs(model, tokens, offsets, labelPositions, cancelled?): resolves to Float64Arrays, of each
// layer two: the Gram matrices of what enters its bottleneck's two products
Napi::Value GiveBottleneckInputs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ModelHandle& handle = ReadModel(info[0]);
  if (!handle.model->decoder.HasBottlenecks()) ThrowInvalid(env, "model must have bottlenecks");
  const auto arrays =
      std::make_shared<BatchArrays>(ReadBatch(info, 1, handle.model->decoder.vocabulary(), handle.longest));
  const auto grams = std::make_shared<std::vector<at::Tensor>>();
  return Post(
      env, {info[0], info[4]}, handle.model->place().ordinal,
      [=, model = handle.model] {
        UseThreads(*model);
        const LabelledBatch batch = Pack(*arrays, model->place());
        for (const BottleneckGrams& of : model->decoder.BottleneckInputs(batch.tokens)) {
          grams->push_back(ToHost(of.down));
          grams->push_back(ToHost(of.up));
        }
      },
      [=](Napi::Env environment) {
        const Napi::Array result = Napi::Array::New(environment, grams->size());
        for (uint32_t i = 0; i < grams->size(); ++i) {
          result.Set(i, Give<double>(environment, (*grams)[i]));
          (*grams)[i].reset();
        }
        return result;
      },
      ReadCancellation(info[4]));
}

// accumulate(model, tokens, offsets, labelPositions, weights, seed?, cancelled?): resolves to the values
Napi::Value AccumulateBatch(const Napi::CallbackInfo& info) {
  const ModelHandle& handle = ReadModel(info[0]);
  const auto arrays =
      std::make_shared<BatchArrays>(ReadBatch(info, 1, handle.model->decoder.vocabulary(), handle.longest));
  const auto weights = std::make_shared<std::vector<float>>(ReadWeights(info[4], arrays->LabelCount()));
  std::optional<uint64_t> seed;
  if (!info[5].IsUndefined()) seed = ReadUnsigned64(info[5], "seed");
  const auto values = std::make_shared<at::Tensor>();
  return Post(
      info.Env(), {info[0], info[6]}, handle.model->place().ordinal,
      [=, model = handle.model] { *values = Accumulate(*model, *arrays, *weights, seed); },
      [=](Napi::Env env) { return Give<float>(env, *values); }, ReadCancellation(info[6]));
}

// gaussNewton(model, tokens, offsets, labelPositions, weights, direction, scratch, change, cancelled?)
Napi::Value MultiplyGaussNewton(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ModelHandle& handle = ReadModel(info[0]);
  const auto arrays =
      std::make_shared<BatchArrays>(ReadBatch(info, 1, handle.model->decoder.vocabulary(), handle.longest));
  const auto weights = std::make_shared<std::vector<float>>(ReadWeights(info[4], arrays->LabelCount()));
  const FlatMemory values = ReadMemory(handle.values.value.Value(), "values"),
                   gradients = ReadMemory(handle.gradients.value.Value(), "gradients"),
                   direction = ReadMemory(info[5], "direction"), scratch = ReadMemory(info[6], "scratch");
  if (values.place.dtype != at::kFloat) ThrowInvalid(env, "the model must be float32");
  const std::vector<std::pair<const char*, const FlatMemory*>> own = {
      {"values", &values}, {"gradients", &gradients}, {"direction", &direction}, {"scratch", &scratch}};
  for (size_t i = 2; i < own.size(); ++i) {
    const auto& [name, memory] = own[i];
    if (memory->place.dtype != at::kFloat || memory->length != values.length ||
        memory->place.ordinal != values.place.ordinal) {
      ThrowInvalid(env, std::string(name) + " must be float32, of the weights' length and on their device");
    }
    for (size_t other = 0; other < i; ++other)
      CheckApart(env, name, *memory, own[other].first, *own[other].second);
    if (!handle.frozen.value.IsEmpty())
      CheckApart(env, name, *memory, "the base's values", ReadMemory(handle.frozen.value.Value(), "values"));
  }
  const double change = info[7].IsNumber() ? info[7].As<Napi::Number>().DoubleValue() : 0;
  if (!(change > 0 && change < 1)) ThrowInvalid(env, "change must be a number between 0 and 1");
  const auto along = std::make_shared<Direction>(
      Guarded(env, [&] { return Direction{Flat(values), Flat(direction), Flat(scratch), change}; }));
  return Post(
      env, {info[0], info[5], info[6], info[8]}, values.place.ordinal,
      [=, model = handle.model] { AddGaussNewtonProduct(*model, *arrays, *weights, *along); },
      [](Napi::Env environment) { return environment.Undefined(); }, ReadCancellation(info[8]));
}

// score(model, tokens, offsets, labelPositions, layer, cancelled?): by the hidden states after a layer
Napi::Value ScoreBatch(const Napi::CallbackInfo& info) {
  const ModelHandle& handle = ReadModel(info[0]);
  const auto arrays =
      std::make_shared<BatchArrays>(ReadBatch(info, 1, handle.model->decoder.vocabulary(), handle.longest));
  const int64_t layer = ReadLayer(info[4], handle.model->decoder.layers());
  const auto scores = std::make_shared<Scores>();
  return Post(
      info.Env(), {info[0], info[5]}, handle.model->place().ordinal,
      [=, model = handle.model] { *scores = Score(*model, *arrays, layer); },
      [=](Napi::Env env) {
        const Napi::Object result = Napi::Object::New(env);
        result.Set("logProbability", Give<float>(env, scores->log_probability));
        result.Set("isArgmax", Give<uint8_t>(env, scores->is_argmax));
        result.Set("mean", Give<float>(env, scores->mean));
        result.Set("variance", Give<float>(env, scores->variance));
        return result;
      },
      ReadCancellation(info[5]));
}

// generate(model, tokens, offsets, stopTokens, seeds, { maxNewTokens, temperature, topP }, cancelled?):
// resolves to Int32Arrays
Napi::Value GenerateTokens(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ModelHandle& handle = ReadModel(info[0]);
  const auto tokens = ReadIntegers(info[1], "tokens");
  const auto offsets = ReadUnsigned(info[2], "offsets");
  CheckSequences(env, tokens, offsets, handle.model->decoder.vocabulary(), handle.longest);
  const auto settings = std::make_shared<GenerateSettings>();
  settings->stop_tokens = ReadIntegers(info[3], "stopTokens");
  settings->seeds = ReadUnsigned64s(info[4], "seeds");
  if (settings->seeds.size() + 1 != offsets.size())
    ThrowInvalid(env, "seeds must have one entry for each prompt");
  if (!info[5].IsObject()) ThrowInvalid(env, "options must be an object");
  const auto options = info[5].As<Napi::Object>();
  settings->max_new_tokens = ReadInteger(options, "maxNewTokens", 1, int64_t{1} << 31);
  settings->max_length = handle.longest;
  settings->temperature = static_cast<float>(ReadNumber(options, "temperature", 0, 1e30));
  settings->top_p = static_cast<float>(ReadNumber(options, "topP", 0, 1));
  const auto prompts = std::make_shared<std::vector<std::vector<int32_t>>>();
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    prompts->emplace_back(tokens.begin() + offsets[i], tokens.begin() + offsets[i + 1]);
  }
  const auto results = std::make_shared<std::vector<std::vector<int32_t>>>();
  return Post(
      env, {info[0], info[6]}, handle.model->place().ordinal,
      [=, model = handle.model] { *results = Generate(*model, *prompts, *settings); },
      [=](Napi::Env environment) {
        const Napi::Array arrays = Napi::Array::New(environment, results->size());
        for (uint32_t i = 0; i < results->size(); ++i)
          arrays.Set(i, Give(environment, (*results)[i].data(), (*results)[i].size()));
        return arrays;
      },
      ReadCancellation(info[6]));
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment());
  exports.Set("torchVersion", TORCH_VERSION);
  exports.Set("init", Napi::Function::New(env, Init));
  exports.Set("loadLibraries", Napi::Function::New(env, LoadLibraryFiles));
  exports.Set("createModel", Napi::Function::New(env, CreateModel));
  exports.Set("releaseModel", Napi::Function::New(env, ReleaseModel));
  exports.Set("merge", Napi::Function::New(env, Merge));
  ExportPassCalls(env, exports);
  exports.Set("accumulate", Napi::Function::New(env, AccumulateBatch));
  exports.Set("gaussNewton", Napi::Function::New(env, MultiplyGaussNewton));
  exports.Set("bottleneckInputs", Napi::Function::New(env, GiveBottleneckInputs));
  exports.Set("score", Napi::Function::New(env, ScoreBatch));
  exports.Set("generate", Napi::Function::New(env, GenerateTokens));
  return exports;
}

}  // namespace
}  // namespace soul

static Napi::Object InitializeEngine(Napi::Env env, Napi::Object exports) {
  return soul::Initialize(env, exports);
}

NODE_API_MODULE(soul_torch, InitializeEngine)
