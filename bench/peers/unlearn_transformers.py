#!/usr/bin/env python3
"""GradDiff with transformers and PyTorch: the peer of `soul unlearn`, step for step.

Every step: minus the token-mean cross-entropy of a batch of forget examples plus that of a batch of retain examples, the
gradient's norm clipped to 1, then PyTorch's fused AdamW, or Sophia written in eager PyTorch as its reference code writes it,
with the Gauss-Newton-Bartlett estimate on chunks of retain data (same chunks and schedule as `soul unlearn`'s defaults).
Prints one JSON object: seconds a step and the peak resident memory of the process.

Needs: pip install torch==2.13.0 transformers
"""
import argparse
import json
import random
import resource
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--forget", required=True)
    parser.add_argument("--retain", required=True)
    parser.add_argument("--optimizer", choices=["adamw", "sophia"], default="sophia")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--hessian-every", type=int, default=10)
    parser.add_argument("--hessian-chunks", type=int, default=8)
    parser.add_argument("--hessian-chunk-size", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def encode(tokenizer, line):
    record = json.loads(line)
    prompt = tokenizer(f"Question: {record['question']}\nAnswer:")["input_ids"]
    whole = tokenizer(f"Question: {record['question']}\nAnswer: {record['answer']}")["input_ids"]
    return whole + [tokenizer.eos_token_id], len(prompt)


def collate(examples, pad):
    width = max(len(tokens) for tokens, _ in examples)
    tokens = torch.full((len(examples), width), pad)
    labels = torch.full((len(examples), width), -100)
    mask = torch.zeros((len(examples), width), dtype=torch.long)
    for row, (ids, begin) in enumerate(examples):
        tokens[row, : len(ids)] = torch.tensor(ids)
        labels[row, begin : len(ids)] = torch.tensor(ids[begin:])
        mask[row, : len(ids)] = 1
    return tokens, labels, mask


class EagerSophia(torch.optim.Optimizer):
    """The update of arXiv 2305.14342's reference code, an operation at a time."""

    def __init__(self, parameters, lr, betas=(0.965, 0.99), rho=0.04, weight_decay=0.01):
        super().__init__(parameters, {"lr": lr, "betas": betas, "rho": rho, "weight_decay": weight_decay})
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {"exp_avg": torch.zeros_like(p), "hessian": torch.zeros_like(p)}

    @torch.no_grad()
    def update_hessian(self, decay, scale):
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["hessian"].mul_(decay).addcmul_(p.grad, p.grad, value=scale)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, _ = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                p.mul_(1 - group["lr"] * group["weight_decay"])
                state["exp_avg"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
                ratio = (state["exp_avg"].abs() / (group["rho"] * state["hessian"] + 1e-15)).clamp(None, 1)
                p.addcmul_(state["exp_avg"].sign(), ratio, value=-group["lr"])


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    draw = random.Random(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    forget, retain = (
        [encode(tokenizer, line) for line in open(path, encoding="utf-8") if line.strip()]
        for path in (options.forget, options.retain)
    )
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    if options.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)
    else:
        optimizer = EagerSophia(groups, lr=options.learning_rate)

    def batch(examples, size):
        return collate(draw.sample(examples, min(size, len(examples))), tokenizer.pad_token_id)

    def estimate(chunks, prime):
        decay, weight = (0.0, 1.0 / chunks) if prime else (0.99, 0.01 / chunks)
        for chunk in range(chunks):
            tokens, labels, mask = batch(retain, options.hessian_chunk_size)
            logits = model(tokens, attention_mask=mask).logits[:, :-1]
            logits = logits[labels[:, 1:] != -100]
            sampled = torch.distributions.Categorical(logits=logits.detach()).sample()
            torch.nn.functional.cross_entropy(logits, sampled).backward()
            optimizer.update_hessian(decay if chunk == 0 else 1.0, weight * len(sampled))
            optimizer.zero_grad()

    seconds = []
    for step in range(options.steps):
        begun = time.perf_counter()
        if options.optimizer == "sophia" and step % options.hessian_every == 0:
            estimate(options.hessian_chunks * (4 if step == 0 else 1), step == 0)
        for examples, sign in ((forget, -1.0), (retain, 1.0)):
            tokens, labels, mask = batch(examples, options.batch_size)
            (sign * model(tokens, attention_mask=mask, labels=labels).loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - begun)
    print(json.dumps({
        "optimizer": options.optimizer,
        "steps": options.steps,
        "secondsPerStep": sum(seconds) / len(seconds),
        "medianSecondsPerStep": sorted(seconds)[len(seconds) // 2],
        "peakMemory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "torch": torch.__version__,
        "threads": options.threads,
    }))


if __name__ == "__main__":
    main()
