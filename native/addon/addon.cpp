// The optimizer addon: everything per environment, nothing static, so that any number of workers may load it.
#include <napi.h>

#include "addon/calls.h"
#include "addon/work.h"
#include "kernels/cpu/kernels.h"

namespace soul {
namespace {

constexpr napi_type_tag kInterfaceTag = SOUL_INTERFACE_TAG;
// Raised with every change of what is exported; lib/core/addon.ts expects the same number.
constexpr int kAddonVersion = 2;

bool Post(void* dispatcher, void (*run)(void*), void (*complete)(void*, bool), void* context) {
  return static_cast<Dispatcher*>(dispatcher)->Post(run, complete, context);
}

// The tables in use may change between calls; what every table computes is the same.
void ScoreTokens(const SoulTokenRows* rows, const SoulTokenScores* scores) {
  ActiveKernels().score_tokens(rows, scores);
}

void TokenGradient(const SoulTokenRows* rows, const int32_t* labels, const float* weights,
                   const float* log_sum_exp) {
  ActiveKernels().token_gradient(rows, labels, weights, log_sum_exp);
}

void ScoreDivergence(const SoulTokenRows* rows, const SoulTokenRows* reference, float* divergence,
                     float* log_sum_exp, float* reference_log_sum_exp) {
  ActiveKernels().score_divergence(rows, reference, divergence, log_sum_exp, reference_log_sum_exp);
}

void DivergenceGradient(const SoulTokenRows* rows, const SoulTokenRows* reference, const float* weights,
                        const float* log_sum_exp, const float* reference_log_sum_exp) {
  ActiveKernels().divergence_gradient(rows, reference, weights, log_sum_exp, reference_log_sum_exp);
}

void ShutDown(void* dispatcher) {
  static_cast<Dispatcher*>(dispatcher)->ShutDown();
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  auto environment = std::make_unique<Environment>();
  environment->dispatcher = Dispatcher::Create(env);
  if (!environment->dispatcher) ThrowFailure(env, "SOUL_INTERNAL", "the dispatcher could not be made");

  SoulInterface& table = environment->interface;
  table.version = SOUL_INTERFACE_VERSION;
  table.size = sizeof(SoulInterface);
  table.dispatcher = environment->dispatcher.get();
  table.post = Post;
  table.score_tokens = ScoreTokens;
  table.token_gradient = TokenGradient;
  table.score_divergence = ScoreDivergence;
  table.divergence_gradient = DivergenceGradient;
  table.shut_down = ShutDown;

  const Napi::External<SoulInterface> handle = Napi::External<SoulInterface>::New(env, &table);
  if (napi_type_tag_object(env, handle, &kInterfaceTag) != napi_ok) {
    ThrowFailure(env, "SOUL_INTERNAL", "the interface could not be tagged");
  }
  exports.Set("interface", handle);
  exports.Set("version", kAddonVersion);
  ExportMachineCalls(env, exports);
  ExportMemoryCalls(env, exports);
  ExportTokenCalls(env, exports);
  ExportOptimizerCalls(env, exports);
  ExportVectorCalls(env, exports);

  // Runs before Node frees the environment's handles: no job outlives its memory.
  env.AddCleanupHook(ShutDown, static_cast<void*>(environment->dispatcher.get()));
  env.SetInstanceData(environment.release());
  return exports;
}

}  // namespace
}  // namespace soul

static Napi::Object InitializeSoul(Napi::Env env, Napi::Object exports) {
  return soul::Initialize(env, exports);
}

NODE_API_MODULE(soul, InitializeSoul)
