// The engine addon: handles of models and passes, and the calls on them. Everything is kept per environment.
#include <napi.h>
#include <torch/version.h>

#include <memory>
#include <type_traits>
#include <utility>

#include "arguments.h"
#include "device_turn.h"
#include "generate.h"
#include "host.h"
#include "job.h"
#include "passes.h"
#include "specification.h"

namespace soul {
namespace {

constexpr napi_type_tag kInterfaceTag = SOUL_INTERFACE_TAG;
constexpr napi_type_tag kModelTag = {0x5a0c6be2f1d84790ull, 0xa1c9e37d5042b86full};
constexpr napi_type_tag kPassTag = {0xd2974f10be35a86cull, 0x81f6027ac94de35bull};

// Behind the External of a model. The memory of its weights stays alive with it.
struct ModelHandle {
  std::shared_ptr<const Model> model;
  int64_t longest;
  Napi::Reference<Napi::Value> values, gradients;
  const bool* released[2];  // of the memory of the two; null: never
};

// Behind the External of a pass; `model` and `reference` keep those handles, hence their memory, alive.
struct PassHandle {
  std::shared_ptr<Pass> pass;
  int64_t label_count;
  int32_t device;
  int64_t reported_bytes =
      0;  // of the graph, so that the garbage collector knows what a forgotten pass weighs
  Napi::Reference<Napi::Value> model, reference;

  std::shared_ptr<Pass> Take(Napi::Env env) {
    Napi::MemoryManagement::AdjustExternalMemory(env, -std::exchange(reported_bytes, 0));
    return std::move(pass);
  }
};

template <typename Handle>
Handle& ReadHandle(const Napi::Value& value, const napi_type_tag& tag, const char* name) {
  bool matches = false;
  if (!value.IsExternal() || napi_check_object_type_tag(value.Env(), value, &tag, &matches) != napi_ok ||
      !matches) {
    ThrowInvalid(value.Env(), std::string(name) + " must be a handle that this addon gave");
  }
  return *value.As<Napi::External<Handle>>().Data();
}

template <typename Handle>
Napi::Value MakeHandle(Napi::Env env, std::unique_ptr<Handle> handle, const napi_type_tag& tag) {
  const auto external =
      Napi::External<Handle>::New(env, handle.release(), [](Napi::Env finalizer_env, Handle* owned) {
        if constexpr (std::is_same_v<Handle, PassHandle>) owned->Take(finalizer_env);
        delete owned;
      });
  napi_type_tag_object(env, external, &tag);
  return external;
}

const Environment& ReadEnvironment(Napi::Env env) {
  const Environment& environment = *env.GetInstanceData<Environment>();
  if (!environment.table) throw ToError(env, "SOUL_INTERNAL", "init must be called first");
  return environment;
}

ModelHandle& ReadModel(const Napi::Value& value, const char* name = "model") {
  ModelHandle& handle = ReadHandle<ModelHandle>(value, kModelTag, name);
  bool released = !handle.model;
  for (const bool* flag : handle.released) released = released || (flag && *flag);
  if (released) throw ToError(value.Env(), "SOUL_RELEASED", std::string(name) + " has been released");
  return handle;
}

PassHandle& ReadPass(const Napi::Value& value) {
  PassHandle& handle = ReadHandle<PassHandle>(value, kPassTag, "pass");
  if (!handle.pass) {
    throw ToError(value.Env(), "SOUL_RELEASED", "the pass has been released, or pulled back before");
  }
  return handle;
}

template <typename Element>
Napi::TypedArrayOf<Element> Give(Napi::Env env, const Element* values, size_t length) {
  Napi::TypedArrayOf<Element> array = Napi::TypedArrayOf<Element>::New(env, length);
  std::copy_n(values, length, array.Data());
  return array;
}

// A tensor of the CPU.
template <typename Element>
Napi::TypedArrayOf<Element> Give(Napi::Env env, const at::Tensor& values) {
  return Give(env, values.data_ptr<Element>(), static_cast<size_t>(values.numel()));
}

// Runs what may throw libtorch's exceptions on the JavaScript thread.
template <typename Work>
auto Guarded(Napi::Env env, const Work& work) {
  try {
    return work();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const Failure failure = CurrentFailure();
    throw ToError(env, failure.code(), failure.what());
  }
}

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

// createModel(specification, values, gradients)
Napi::Value CreateModel(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Environment& environment = ReadEnvironment(env);
  if (!info[0].IsObject()) ThrowInvalid(env, "specification must be an object");
  const auto given = info[0].As<Napi::Object>();
  const FlatMemory values = ReadMemory(info[1], "values"), gradients = ReadMemory(info[2], "gradients");
  const Place place = values.place;
  if (values.length != gradients.length || place.dtype != gradients.place.dtype ||
      place.ordinal != gradients.place.ordinal) {
    ThrowInvalid(env, "values and gradients must be of one length and dtype, on one device");
  }
  if (place.on_device()) Guarded(env, [&] { PrepareDevice(place.ordinal); });
  auto handle = std::make_unique<ModelHandle>();
  handle->longest = ReadInteger(given, "maxPositions", 1, int64_t{1} << 31);
  const int threads = static_cast<int>(ReadInteger(given, "threads", 0, 4096));
  const int64_t logits_memory = ReadInteger(given, "logitsMemory", 1, int64_t{1} << 50);
  const Graph graph = ReadBoolean(given, "checkpointActivations") ? Graph::kInputs : Graph::kWhole;
  handle->model = Guarded(env, [&] {
    return std::shared_ptr<const Model>(new Model{{ReadDecoder(given, values, gradients), place},
                                                  TokenLosses(*environment.table, place),
                                                  threads,
                                                  logits_memory,
                                                  graph});
  });
  handle->released[0] = values.released;
  handle->released[1] = gradients.released;
  handle->values = Napi::Reference<Napi::Value>::New(info[1], 1);
  handle->gradients = Napi::Reference<Napi::Value>::New(info[2], 1);
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
        handle.values.Reset();
        handle.gradients.Reset();
        return env.Undefined();
      });
}

// Shared by nll and divergence: runs the forward pass, resolves to { pass, values }.
Napi::Value Start(const Napi::CallbackInfo& info, const Napi::Value& reference, size_t first) {
  const ModelHandle& handle = ReadModel(info[0]);
  std::shared_ptr<const Model> other;
  if (!reference.IsUndefined()) {
    const ModelHandle& reference_handle = ReadModel(reference, "reference");
    other = reference_handle.model;
    if (other->decoder.vocabulary() != handle.model->decoder.vocabulary()) {
      ThrowInvalid(info.Env(), "reference must have the model's vocabulary of " +
                                   std::to_string(handle.model->decoder.vocabulary()) + " tokens, but has " +
                                   std::to_string(other->decoder.vocabulary()));
    }
    if (other->place().ordinal != handle.model->place().ordinal) {
      ThrowInvalid(info.Env(), "reference must lie on the model's device");
    }
  }
  const int64_t longest =
      other ? std::min(handle.longest, ReadModel(reference, "reference").longest) : handle.longest;
  auto arrays =
      std::make_shared<BatchArrays>(ReadBatch(info, first, handle.model->decoder.vocabulary(), longest));

  auto pass_handle = std::make_shared<std::unique_ptr<PassHandle>>(std::make_unique<PassHandle>());
  (*pass_handle)->label_count = arrays->LabelCount();
  (*pass_handle)->device = handle.model->place().ordinal;
  (*pass_handle)->model = Napi::Reference<Napi::Value>::New(info[0], 1);
  if (other) (*pass_handle)->reference = Napi::Reference<Napi::Value>::New(reference, 1);
  return Post(
      info.Env(), {info[0], reference, info[first + 3]}, handle.model->place().ordinal,
      [=, model = handle.model, raw = pass_handle->get()] {
        raw->pass = std::make_shared<Pass>(model, other, *arrays);
      },
      [=](Napi::Env env) -> Napi::Value {
        const Napi::Value values = Give<float>(env, (*pass_handle)->pass->values());
        (*pass_handle)->reported_bytes = (*pass_handle)->pass->graph_bytes();
        Napi::MemoryManagement::AdjustExternalMemory(env, (*pass_handle)->reported_bytes);
        const Napi::Object result = Napi::Object::New(env);
        result.Set("values", values);
        result.Set("pass", MakeHandle(env, std::move(*pass_handle), kPassTag));
        return result;
      },
      ReadCancellation(info[first + 3]));
}

// nll(model, tokens, offsets, labelsFrom, cancelled?)
Napi::Value Nll(const Napi::CallbackInfo& info) {
  return Start(info, info.Env().Undefined(), 1);
}

// divergence(model, reference, tokens, offsets, labelsFrom, cancelled?)
Napi::Value Divergence(const Napi::CallbackInfo& info) {
  ReadModel(info[1], "reference");
  return Start(info, info[1], 2);
}

// backward(pass, weights, cancelled?): the pass is spent from this call on.
Napi::Value Backward(const Napi::CallbackInfo& info) {
  PassHandle& handle = ReadPass(info[0]);
  ReadModel(handle.model.Value());
  if (!handle.reference.IsEmpty()) ReadModel(handle.reference.Value(), "reference");
  auto weights = std::make_shared<std::vector<float>>(ReadWeights(info[1], handle.label_count));
  const std::atomic<int32_t>* cancelled = ReadCancellation(info[2]);
  return Post(
      info.Env(), {info[0], info[2]}, handle.device,
      [pass = handle.Take(info.Env()), weights] { pass->Backward(*weights); },
      [](Napi::Env env) { return env.Undefined(); }, cancelled);
}

// releasePass(pass): frees the graph on the engine's thread, after what was asked before.
Napi::Value ReleasePass(const Napi::CallbackInfo& info) {
  PassHandle& handle = ReadHandle<PassHandle>(info[0], kPassTag, "pass");
  if (!handle.pass) return info.Env().Undefined();
  return Post(
      info.Env(), {info[0]}, handle.device, [pass = handle.Take(info.Env())]() mutable { pass.reset(); },
      [](Napi::Env env) { return env.Undefined(); });
}

// accumulate(model, tokens, offsets, labelsFrom, weights, seed?, cancelled?): resolves to the values
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

// score(model, tokens, offsets, labelsFrom, cancelled?)
Napi::Value ScoreBatch(const Napi::CallbackInfo& info) {
  const ModelHandle& handle = ReadModel(info[0]);
  const auto arrays =
      std::make_shared<BatchArrays>(ReadBatch(info, 1, handle.model->decoder.vocabulary(), handle.longest));
  const auto scores = std::make_shared<Scores>();
  return Post(
      info.Env(), {info[0], info[4]}, handle.model->place().ordinal,
      [=, model = handle.model] { *scores = Score(*model, *arrays); },
      [=](Napi::Env env) {
        const Napi::Object result = Napi::Object::New(env);
        result.Set("logProbability", Give<float>(env, scores->log_probability));
        result.Set("isArgmax", Give<uint8_t>(env, scores->is_argmax));
        result.Set("mean", Give<float>(env, scores->mean));
        result.Set("variance", Give<float>(env, scores->variance));
        return result;
      },
      ReadCancellation(info[4]));
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
  exports.Set("nll", Napi::Function::New(env, Nll));
  exports.Set("divergence", Napi::Function::New(env, Divergence));
  exports.Set("backward", Napi::Function::New(env, Backward));
  exports.Set("releasePass", Napi::Function::New(env, ReleasePass));
  exports.Set("accumulate", Napi::Function::New(env, AccumulateBatch));
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
