#include "pass_calls.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "activation_pass.h"
#include "handles.h"
#include "passes.h"

namespace soul {
namespace {

// Runs a forward pass, resolves to { pass, values }. `reference` is a model's handle or undefined; the flag
// of cancellation is argument `flag`.
Napi::Value PostPass(const Napi::CallbackInfo& info, const Napi::Value& reference,
                     const std::shared_ptr<BatchArrays>& arrays, size_t flag,
                     const std::function<std::shared_ptr<PendingPass>()>& run) {
  const int32_t device = ReadModel(info[0]).model->place().ordinal;
  auto pass_handle = std::make_shared<std::unique_ptr<PassHandle>>(std::make_unique<PassHandle>());
  (*pass_handle)->label_count = arrays->LabelCount();
  (*pass_handle)->device = device;
  (*pass_handle)->model = Napi::Reference<Napi::Value>::New(info[0], 1);
  if (!reference.IsUndefined()) {
    (*pass_handle)->reference = Napi::Reference<Napi::Value>::New(reference, 1);
  }
  return Post(
      info.Env(), {info[0], reference, info[flag]}, device,
      [run, raw = pass_handle->get()] { raw->pass = run(); },
      [=](Napi::Env env) -> Napi::Value {
        const Napi::Value values = Give<float>(env, (*pass_handle)->pass->values());
        (*pass_handle)->reported_bytes = (*pass_handle)->pass->graph_bytes();
        Napi::MemoryManagement::AdjustExternalMemory(env, (*pass_handle)->reported_bytes);
        const Napi::Object result = Napi::Object::New(env);
        result.Set("values", values);
        result.Set("pass", MakeHandle(env, std::move(*pass_handle), kPassTag));
        return result;
      },
      ReadCancellation(info[flag]));
}

void CheckSameDevice(Napi::Env env, const Model& reference, const Model& model) {
  if (reference.place().ordinal == model.place().ordinal) return;
  ThrowInvalid(env, "reference must lie on the model's device");
}

// Shared by nll, divergence and target.
Napi::Value Start(const Napi::CallbackInfo& info, const PassQuantity& quantity, const Napi::Value& reference,
                  size_t first) {
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
    CheckSameDevice(info.Env(), *other, *handle.model);
  }
  const int64_t longest =
      other ? std::min(handle.longest, ReadModel(reference, "reference").longest) : handle.longest;
  auto arrays =
      std::make_shared<BatchArrays>(ReadBatch(info, first, handle.model->decoder.vocabulary(), longest));
  return PostPass(info, reference, arrays, first + 3, [=, model = handle.model] {
    return std::make_shared<Pass>(model, other, quantity, *arrays);
  });
}

// nll(model, tokens, offsets, labelPositions, cancelled?)
Napi::Value Nll(const Napi::CallbackInfo& info) {
  return Start(info, {}, info.Env().Undefined(), 1);
}

// divergence(model, reference, tokens, offsets, labelPositions, cancelled?)
Napi::Value Divergence(const Napi::CallbackInfo& info) {
  ReadModel(info[1], "reference");
  return Start(info, {}, info[1], 2);
}

// targetCrossEntropy(model, reference | undefined, shift, tokens, offsets, labelPositions, cancelled?):
// without a reference targets are the model's own
Napi::Value TargetCrossEntropy(const Napi::CallbackInfo& info) {
  const PassQuantity quantity{.is_target = true, .shift = ReadShift(info[2])};
  return Start(info, quantity, info[1], 3);
}

// activation(model, layer, vector or reference, tokens, offsets, labelPositions, cancelled?)
Napi::Value ActivationDistance(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ModelHandle& handle = ReadModel(info[0]);
  const Decoder& decoder = handle.model->decoder;
  const auto target = std::make_shared<ActivationTarget>();
  target->layer = ReadLayer(info[1], decoder.layers());
  int64_t vocabulary = decoder.vocabulary(), longest = handle.longest;
  Napi::Value reference = env.Undefined();
  if (info[2].IsExternal()) {
    reference = info[2];
    const ModelHandle& other = ReadModel(reference, "reference");
    target->reference = other.model;
    const Decoder& theirs = other.model->decoder;
    if (theirs.hidden() != decoder.hidden() || theirs.layers() <= target->layer) {
      ThrowInvalid(env, "reference must have hidden states of width " + std::to_string(decoder.hidden()) +
                            " after layer " + std::to_string(target->layer) + ", but has " +
                            std::to_string(theirs.layers()) + " layers of width " +
                            std::to_string(theirs.hidden()));
    }
    CheckSameDevice(env, *other.model, *handle.model);
    vocabulary = std::min(vocabulary, theirs.vocabulary());
    longest = std::min(longest, other.longest);
  } else {
    target->vector = ReadState(info[2], decoder.hidden());
  }
  const auto arrays = std::make_shared<BatchArrays>(ReadBatch(info, 3, vocabulary, longest));
  return PostPass(info, reference, arrays, 6, [=, model = handle.model] {
    return std::make_shared<ActivationPass>(model, *target, *arrays);
  });
}

// backward(pass, weights, seed?, keep, cancelled?): the pass is spent from this call on, unless it is kept.
Napi::Value Backward(const Napi::CallbackInfo& info) {
  PassHandle& handle = ReadPass(info[0]);
  ReadModel(handle.model.Value());
  if (!handle.reference.IsEmpty()) ReadModel(handle.reference.Value(), "reference");
  auto weights = std::make_shared<std::vector<float>>(ReadWeights(info[1], handle.label_count));
  std::optional<uint64_t> seed;
  if (!info[2].IsUndefined()) {
    if (!handle.pass->has_labels()) ThrowInvalid(info.Env(), "labels are drawn for a pass of nll alone");
    seed = ReadUnsigned64(info[2], "seed");
  }
  if (!info[3].IsBoolean()) ThrowInvalid(info.Env(), "keep must be true or false");
  const bool keep = info[3].As<Napi::Boolean>();
  const std::atomic<int32_t>* cancelled = ReadCancellation(info[4]);
  return Post(
      info.Env(), {info[0], info[4]}, handle.device,
      [pass = keep ? handle.pass : handle.Take(info.Env()), weights, seed, keep] {
        pass->Backward(*weights, seed, keep);
      },
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

}  // namespace

void ExportPassCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("nll", Napi::Function::New(env, Nll));
  exports.Set("divergence", Napi::Function::New(env, Divergence));
  exports.Set("activation", Napi::Function::New(env, ActivationDistance));
  exports.Set("targetCrossEntropy", Napi::Function::New(env, TargetCrossEntropy));
  exports.Set("backward", Napi::Function::New(env, Backward));
  exports.Set("releasePass", Napi::Function::New(env, ReleasePass));
}

}  // namespace soul
