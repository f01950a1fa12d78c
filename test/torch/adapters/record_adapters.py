"""Records what PEFT computes with low-rank adapters on small models of ../families, a file for each case.

    python record_adapters.py [CASE ...]
    python record_adapters.py --check CASE BASE ADAPTER

Needs torch, transformers 5 and peft. The base of a case is one of ../families/*.json, whose weights are a function of
their names (../families/draws.py), and so are those of the adapters: a tensor is listed as [name, shape, 0, scale].

What a file holds:
  family      the base, by the name of its file
  config      adapter_config.json as PEFT writes it
  tensors     of adapter_model.safetensors, by PEFT's names
  moved       how far the adapters move -log p of the label tokens, at most, in nats
  nll         -log p of every label token of the family's sequences, in nats
  gradients   of sum_i u_i * nll_i, u from `draw("weights of labels", ...)`: norm, and projections on 4 vectors of signs
  generated   greedy continuations, of which no choice is close
  narrow      nll of weights rounded to bfloat16: exact, and as PEFT computes them in bfloat16

--check loads folders that soul-unlearn wrote (`TorchLM.save` of a case's base, and of its adapters) with PEFT, and tells
how far the losses are from those recorded. Last outcome, with peft 0.21.2: llama-tied, llama-biased, qwen2-some,
qwen3-layer, gpt2-all, gpt_neox-all, phi3-all and gemma3-all load without a word, and are within 5e-6 nats.
"""

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path

here = Path(__file__).parent
sys.path.insert(0, str(here.parent / "families"))

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from cases import PROMPTS
from draws import draw, signs, values
from record import continuation, farthest, load, rounded, text, token_losses

PROJECTIONS = 4

CASES = {
    # The family's own targets.
    "llama-tied": ("llama-tied", dict(r=4, lora_alpha=6)),
    "opt-plain": ("opt-plain", dict(r=2, lora_alpha=5, lora_dropout=0.1)),
    # Of three products that are one some have adapters, and a rank of 1.
    "qwen2-some": ("qwen2-tied", dict(r=1, lora_alpha=2, target_modules=["k_proj", "o_proj"])),
    "mistral-some": ("mistral-window", dict(r=5, lora_alpha=3, use_rslora=True, target_modules=["v_proj", "up_proj"])),
    "llama-biased": ("llama-biased", dict(r=3, lora_alpha=4, use_rslora=True, target_modules="all-linear")),
    "qwen3-layer": ("qwen3-tied", dict(r=2, lora_alpha=3, target_modules=["layers.1.self_attn.q_proj", "down_proj"])),
    "gpt2-all": ("gpt2-tied", dict(r=3, lora_alpha=2, target_modules="all-linear")),
    "gpt_neox-all": ("gpt_neox-parallel", dict(r=7, lora_alpha=4, use_rslora=True, target_modules="all-linear")),
    "phi-dense": ("phi-plain", dict(r=2, lora_alpha=2, target_modules=["q_proj", "dense", "fc1", "fc2"])),
    "phi3-all": ("phi3-plain", dict(r=3, lora_alpha=5, target_modules="all-linear")),
    "gemma2-tied": ("gemma2-tied", dict(r=4, lora_alpha=4)),
    "gemma3-all": ("gemma3-pattern", dict(r=5, lora_alpha=7, target_modules="all-linear")),
}


def family_of(name):
    return json.loads((here.parent / "families" / f"{name}.json").read_text())


def adapter_tensors(folder):
    """Of what PEFT saved, with values of a size at which every adapter shows in the losses."""
    stored = load_file(Path(folder, "adapter_model.safetensors"))
    return [
        [name, list(stored[name].shape), 0, round(0.4 * math.sqrt(3 / stored[name].shape[1]), 3)]
        for name in sorted(stored)
    ]


def adapted(family, options, dtype=torch.float32):
    """The model with its adapters through PEFT's own loading; the configuration and the tensors that it read."""
    with tempfile.TemporaryDirectory() as folder:
        base, _ = load(family["config"])
        fresh = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **options))
        fresh.save_pretrained(folder)
        tensors = adapter_tensors(folder)
        save_file({t[0]: values(t) for t in tensors}, Path(folder, "adapter_model.safetensors"), {"format": "pt"})
        config = json.loads(Path(folder, "adapter_config.json").read_text())
        config["target_modules"].sort()
        config["base_model_name_or_path"] = None
        model = PeftModel.from_pretrained(
            load(family["config"], dtype)[0], folder, is_trainable=True, autocast_adapter_dtype=False
        )
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (".lora_" in name), name
        if ".lora_" in name:
            parameter.data = parameter.data.to(dtype)
    return model.eval(), config, tensors


def gradients(model, tensors, nll):
    (nll * torch.from_numpy(draw("weights of labels", len(nll)))).sum().backward()
    parameters = {name.replace(".default", ""): parameter for name, parameter in model.named_parameters()}
    result = {}
    for name, *_ in tensors:
        gradient = parameters[name].grad.double().flatten().numpy()
        projections = [gradient @ signs(f"projection {i} of {name}", gradient.size) for i in range(PROJECTIONS)]
        result[name] = rounded([np.linalg.norm(gradient), *projections])
    return result


def narrow(family, options):
    """In bfloat16, and in float32 with the same weights."""
    model, *_ = adapted(family, options, torch.bfloat16)
    with torch.no_grad():
        computed = token_losses(model, family["sequences"]).tolist()
        exact = token_losses(model.float(), family["sequences"]).tolist()
    return dict(exact=rounded(exact), transformers=rounded(computed))


def record(name):
    family_name, options = CASES[name]
    family = family_of(family_name)
    model, config, tensors = adapted(family, options)
    nll = token_losses(model, family["sequences"])
    below = max(max(sequence["tokens"]) for sequence in family["sequences"]) + 1
    result = dict(
        family=family_name,
        config=config,
        tensors=tensors,
        moved=float(f"{farthest(nll.tolist(), family['nll']):.3g}"),
        nll=rounded(nll.tolist()),
        gradients=gradients(model, tensors, nll),
        generated=[continuation(model, i, length, below) for i, length in enumerate(PROMPTS)],
        narrow=narrow(family, options),
    )
    (here / f"{name}.json").write_text(text(result))
    print(name, f"moved {result['moved']}", f"{len(tensors)} tensors")


def check(name, base, adapter):
    recorded = json.loads((here / f"{name}.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager", dtype=torch.float32)
    model = PeftModel.from_pretrained(model, adapter).eval()
    with torch.no_grad():
        nll = token_losses(model, family_of(recorded["family"])["sequences"]).tolist()
    print(name, f"farthest {farthest(nll, recorded['nll']):.3g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", nargs=3, metavar=("CASE", "BASE", "ADAPTER"))
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    if arguments.check:
        check(*arguments.check)
    else:
        for each in arguments.cases or CASES:
            record(each)
