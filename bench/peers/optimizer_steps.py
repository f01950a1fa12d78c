"""Optimizer steps of PyTorch on one flat parameter of n elements, as its users write them."""
import torch

BATCH_SIZE = 1024
GRADIENT_SCALE = 0.05  # such that about half of a Sophia step's weights are clipped


def parameter(size, dtype, device):
    values = torch.nn.Parameter(torch.empty(size, dtype=dtype, device=device).uniform_(-0.02, 0.02))
    values.grad = torch.empty(size, dtype=dtype, device=device).uniform_(-GRADIENT_SCALE, GRADIENT_SCALE)
    return values


class AdamW:
    """torch.optim.AdamW in its fused or its foreach form, the gradient's norm clipped before it where asked."""

    def __init__(self, size, dtype, form, clip, device):
        self.values = parameter(size, dtype, device)
        self.optimizer = torch.optim.AdamW([self.values], lr=1e-7, weight_decay=0.1, **{form: True})
        self.clip = clip

    def run(self):
        if self.clip:
            torch.nn.utils.clip_grad_norm_([self.values], 1.0)
        self.optimizer.step()


class Sophia:
    """The update of arXiv 2305.14342 an operation at a time, in the order of its reference code."""

    def __init__(self, size, dtype, call, compiled, device):
        self.values = parameter(size, dtype, device)
        self.momentum = torch.zeros_like(self.values)
        self.hessian = (self.values.grad * self.values.grad).detach()  # without the batch size, which the step puts in
        function = {"step": sophia_step, "update_hessian": sophia_update_hessian}[call]
        self.call = torch.compile(function) if compiled else function

    @torch.no_grad()
    def run(self):
        self.call(self.values, self.values.grad, self.momentum, self.hessian)


def sophia_step(values, gradients, momentum, hessian, lr=1e-7, beta1=0.965, rho=0.04, weight_decay=0.1):
    values.mul_(1 - lr * weight_decay)
    momentum.mul_(beta1).add_(gradients, alpha=1 - beta1)
    ratio = (momentum.abs() / (rho * BATCH_SIZE * hessian + 1e-15)).clamp(None, 1)
    values.addcmul_(momentum.sign(), ratio, value=-lr)


def sophia_update_hessian(values, gradients, momentum, hessian, beta2=0.99):
    hessian.mul_(beta2).addcmul_(gradients, gradients, value=1 - beta2)
