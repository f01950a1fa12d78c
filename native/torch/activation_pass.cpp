#include "activation_pass.h"

#include <ATen/core/grad_mode.h>

#include <utility>

namespace soul {

using at::Tensor;

ActivationPass::ActivationPass(std::shared_ptr<const Model> model, const ActivationTarget& target,
                               const BatchArrays& arrays)
    : model_(std::move(model)), layer_(target.layer), batch_(Pack(arrays, model_->place())) {
  UseThreads(*model_);
  const at::NoGradGuard no_grad;
  // First, while no graph lies beside what it takes.
  const Tensor aim =
      target.reference
          ? target.reference->decoder.ForwardTo(layer_, batch_.tokens, Graph::kNone).final.to(at::kFloat)
          : Upload(target.vector, model_->place());
  states_ = model_->decoder.ForwardTo(layer_, batch_.tokens, model_->graph);
  difference_ = std::exchange(states_.final, {}).to(at::kFloat).sub(aim);
  host_values_ = ToHost(difference_.square().mean(1));
}

void ActivationPass::Backward(const std::vector<float>& weights, std::optional<uint64_t>, bool keep) {
  UseThreads(*model_);
  Tensor d_state;
  {
    const at::NoGradGuard no_grad;
    const Tensor factors =
        Upload(weights, model_->place()).mul_(2.0 / static_cast<double>(model_->decoder.hidden()));
    d_state = difference_.mul(factors.unsqueeze(1)).to(model_->place().dtype);
    if (!keep) difference_.reset();
  }
  model_->decoder.Backward(batch_.tokens, keep ? states_ : std::exchange(states_, {}), d_state, keep);
}

}  // namespace soul
