// The optimizer addon: everything per environment, nothing static, so that any number of workers may load it.
#include <napi.h>

#include "addon/calls.h"
#include "addon/work.h"
#include "kernels/cpu/kernels.h"
#include "runtime/cuda/token_launches.h"

namespace soul {
namespace {

constexpr napi_type_tag kInterfaceTag = SOUL_INTERFACE_TAG;
// Raised with every change of what is exported; lib/core/addon.ts expects the same number.
constexpr int kAddonVersion = 6;

// The table's `dispatcher` is the environment.
Environment& EnvironmentOf(void* dispatcher) {
  return *static_cast<Environment*>(dispatcher);
}

bool Post(void* dispatcher, void (*run)(void*), void (*complete)(void*, bool), void* context) {
  return EnvironmentOf(dispatcher).dispatcher->Post(run, complete, context);
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

void ScoreTarget(const SoulTokenRows* rows, const SoulTokenRows* reference, const SoulTokenTarget* target,
                 float* cross_entropy) {
  ActiveKernels().score_target(rows, reference, target, cross_entropy);
}

void TargetGradient(const SoulTokenRows* rows, const SoulTokenRows* reference, const SoulTokenTarget* target,
                    const float* weights) {
  ActiveKernels().target_gradient(rows, reference, target, weights);
}

void ShutDown(void* dispatcher) {
  Environment& environment = EnvironmentOf(dispatcher);
  environment.dispatcher->ShutDown([&environment] { environment.queues.Clear(); });
}

// Null, or a sentence why the device cannot be used, which stays until the thread's next call.
template <typename Call>
const char* OnDevice(const Call& call) {
  thread_local std::string sentence;
  try {
    call();
    return nullptr;
  } catch (const std::exception& error) {
    sentence = error.what();
  }
  return sentence.c_str();
}

const char* WaitForDevice(void* dispatcher, int32_t device, void (*failed)(void*, const char*),
                          void* context) {
  return OnDevice([=, &environment = EnvironmentOf(dispatcher)] {
    cuda::Queue& queue = environment.queues.Of(device);
    Dispatcher::Job* job = environment.dispatcher->Hold();
    try {
      queue.Await([=, &environment](std::exception_ptr thrown) {
        const char* sentence = OnDevice([&] {
          if (thrown) std::rethrow_exception(thrown);
        });
        if (sentence != nullptr) failed(context, sentence);
        environment.dispatcher->Release(job);
      });
    } catch (...) {
      environment.dispatcher->Release(job);
      throw;
    }
  });
}

const char* EnterStream(void* dispatcher, int32_t device, void* stream) {
  return OnDevice(
      [=] { EnvironmentOf(dispatcher).queues.Of(device).HandOver(static_cast<cuda::Stream>(stream)); });
}

const char* LeaveStream(void* dispatcher, int32_t device, void* stream) {
  return OnDevice(
      [=] { EnvironmentOf(dispatcher).queues.Of(device).TakeOver(static_cast<cuda::Stream>(stream)); });
}

const char* ScoreTokensOnDevice(void* dispatcher, int32_t device, void* stream, const SoulTokenRows* rows,
                                const SoulTokenScores* scores) {
  return OnDevice([=] {
    cuda::EnqueueTokenScores(EnvironmentOf(dispatcher).queues.Of(device), static_cast<cuda::Stream>(stream),
                             *rows, *scores);
  });
}

const char* TokenGradientOnDevice(void* dispatcher, int32_t device, void* stream, const SoulTokenRows* rows,
                                  const int32_t* labels, const float* weights, const float* log_sum_exp) {
  return OnDevice([=] {
    cuda::EnqueueTokenGradient(EnvironmentOf(dispatcher).queues.Of(device), static_cast<cuda::Stream>(stream),
                               *rows, labels, weights, log_sum_exp);
  });
}

const char* ScoreDivergenceOnDevice(void* dispatcher, int32_t device, void* stream, const SoulTokenRows* rows,
                                    const SoulTokenRows* reference, float* divergence, float* log_sum_exp,
                                    float* reference_log_sum_exp) {
  return OnDevice([=] {
    cuda::EnqueueDivergence(EnvironmentOf(dispatcher).queues.Of(device), static_cast<cuda::Stream>(stream),
                            *rows, *reference, divergence, log_sum_exp, reference_log_sum_exp);
  });
}

const char* DivergenceGradientOnDevice(void* dispatcher, int32_t device, void* stream,
                                       const SoulTokenRows* rows, const SoulTokenRows* reference,
                                       const float* weights, const float* log_sum_exp,
                                       const float* reference_log_sum_exp) {
  return OnDevice([=] {
    cuda::EnqueueDivergenceGradient(EnvironmentOf(dispatcher).queues.Of(device),
                                    static_cast<cuda::Stream>(stream), *rows, *reference, weights,
                                    log_sum_exp, reference_log_sum_exp);
  });
}

const char* ScoreTargetOnDevice(void* dispatcher, int32_t device, void* stream, const SoulTokenRows* rows,
                                const SoulTokenRows* reference, const SoulTokenTarget* target,
                                float* cross_entropy) {
  return OnDevice([=] {
    cuda::EnqueueTargetScores(EnvironmentOf(dispatcher).queues.Of(device), static_cast<cuda::Stream>(stream),
                              *rows, reference, *target, cross_entropy);
  });
}

const char* TargetGradientOnDevice(void* dispatcher, int32_t device, void* stream, const SoulTokenRows* rows,
                                   const SoulTokenRows* reference, const SoulTokenTarget* target,
                                   const float* weights) {
  return OnDevice([=] {
    cuda::EnqueueTargetGradient(EnvironmentOf(dispatcher).queues.Of(device),
                                static_cast<cuda::Stream>(stream), *rows, reference, *target, weights);
  });
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  auto environment = std::make_unique<Environment>();
  environment->dispatcher = Dispatcher::Create(env);
  if (!environment->dispatcher) ThrowFailure(env, "SOUL_INTERNAL", "the dispatcher could not be made");

  SoulInterface& table = environment->interface;
  table.version = SOUL_INTERFACE_VERSION;
  table.size = sizeof(SoulInterface);
  table.dispatcher = environment.get();
  table.post = Post;
  table.score_tokens = ScoreTokens;
  table.token_gradient = TokenGradient;
  table.score_divergence = ScoreDivergence;
  table.divergence_gradient = DivergenceGradient;
  table.shut_down = ShutDown;
  table.wait_for_device = WaitForDevice;
  table.enter_stream = EnterStream;
  table.leave_stream = LeaveStream;
  table.score_tokens_on_device = ScoreTokensOnDevice;
  table.token_gradient_on_device = TokenGradientOnDevice;
  table.score_divergence_on_device = ScoreDivergenceOnDevice;
  table.divergence_gradient_on_device = DivergenceGradientOnDevice;
  table.score_target = ScoreTarget;
  table.target_gradient = TargetGradient;
  table.score_target_on_device = ScoreTargetOnDevice;
  table.target_gradient_on_device = TargetGradientOnDevice;

  const Napi::External<SoulInterface> handle = Napi::External<SoulInterface>::New(env, &table);
  if (napi_type_tag_object(env, handle, &kInterfaceTag) != napi_ok) {
    ThrowFailure(env, "SOUL_INTERNAL", "the interface could not be tagged");
  }
  exports.Set("interface", handle);
  exports.Set("version", kAddonVersion);
  ExportDeviceCalls(env, exports);
  ExportMachineCalls(env, exports);
  ExportMemoryCalls(env, exports);
  ExportTokenCalls(env, exports);
  ExportDivergenceCalls(env, exports);
  ExportFunctionCalls(env, exports);
  ExportLockCalls(env, exports);
  ExportOptimizerCalls(env, exports);
  ExportUpdateCalls(env, exports);
  ExportVectorCalls(env, exports);

  // Runs before Node frees the environment's handles: no job outlives its memory.
  env.AddCleanupHook(ShutDown, static_cast<void*>(environment.get()));
  env.SetInstanceData(environment.release());
  return exports;
}

}  // namespace
}  // namespace soul

static Napi::Object InitializeSoul(Napi::Env env, Napi::Object exports) {
  return soul::Initialize(env, exports);
}

NODE_API_MODULE(soul, InitializeSoul)
