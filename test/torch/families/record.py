"""Records what transformers computes for the small models of cases.py, a file for each case.

    python record.py --older PYTHON [CASE ...]

Needs torch and transformers 5; PYTHON is an interpreter with transformers 4.57, which may find torch where this one
does. Every weight is a function of its name and index (draws.py), so none is stored: a tensor is listed as [name, shape,
centre, scale], its elements are centre + scale * u with u of [-1, 1).

What a file holds:
  config      config.json as transformers 5 writes it; configOlder as transformers 4 does, with the same figures
  tensors     of the safetensors file
  nll         -log p of every label token, in nats
  gradients   of sum_i u_i * nll_i, u from `draw("weights of labels", ...)`: norm, and projections on 8 vectors of signs
  generated   greedy continuations, of which no choice is close
  narrow      nll of weights rounded to bfloat16: exact, and as transformers computes them in bfloat16
  variants    the configuration with other values: `config` is laid over it, `without` taken out. One `of`
              "configOlder" changes that. `tensors` has those that are others than the case's, `gone` the names of
              those that it lacks. Then either `nll`, or `same` where nothing changes, or `refused`, the key that an
              implementation must name when it refuses. `nllOlder` are the figures of transformers 4 where it computes
              something else.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

if torch_from := os.environ.get("RECORD_TORCH_FROM"):
    sys.path.append(torch_from)

import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

from cases import CASES, LENGTHS, NEW_TOKENS, PROMPTS
from draws import draw, range_of, signs, tokens, values

AGREED = 2e-5  # nats, between versions and forms of a configuration
CLEAR = 1e-2  # nats, between the two likeliest tokens
PROJECTIONS = 8


def saved_tensors(folder):
    """What transformers saves of a model that is configured as the folder says."""
    config = AutoConfig.from_pretrained(folder)
    with tempfile.TemporaryDirectory() as other:
        AutoModelForCausalLM.from_config(config, attn_implementation="eager").save_pretrained(other)
        with safe_open(Path(other, "model.safetensors"), "pt") as file:
            shapes = {name: list(file.get_slice(name).get_shape()) for name in sorted(file.keys())}
    return [[name, shape, *range_of(name, shape, config.model_type)] for name, shape in shapes.items()]


def parameter_of(model, name):
    """By its name in the file; transformers 5 calls GPT-NeoX's last matrix otherwise in memory."""
    parameters = dict(model.named_parameters())
    return parameters[name if name in parameters else name.replace("embed_out", "lm_head")]


def load(config, dtype=torch.float32):
    """The model of a configuration, through transformers' own loading; and its tensors."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config))
        tensors = saved_tensors(folder)
        save_file({t[0]: values(t) for t in tensors}, Path(folder, "model.safetensors"), {"format": "pt"})
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager", dtype=dtype, output_loading_info=True
        )
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    for tensor in tensors:
        assert torch.equal(parameter_of(model, tensor[0]), values(tensor).to(dtype)), tensor
    return model.eval(), tensors


def token_losses(model, sequences):
    """One after the other, so that there is no padding."""
    nll = []
    for sequence in sequences:
        ids, first = torch.tensor([sequence["tokens"]]), sequence["labelsFrom"]
        log_p = model(ids, use_cache=False).logits[0, first - 1 : -1].double().log_softmax(-1)
        nll.append(-log_p.gather(1, ids[0, first:, None])[:, 0])
    return torch.cat(nll)


def losses(config, sequences, dtype=torch.float32):
    with torch.no_grad():
        return token_losses(load(config, dtype)[0], sequences).tolist()


def rounded(numbers):
    return [float(f"{number:.7g}") for number in numbers]


def farthest(found, expected):
    return max(abs(a - b) for a, b in zip(found, expected, strict=True))


def gradients(model, tensors, nll):
    weights = torch.from_numpy(draw("weights of labels", len(nll)))
    (nll * weights).sum().backward()
    result = {}
    for name, *_ in tensors:
        gradient = parameter_of(model, name).grad.double().flatten().numpy()
        projections = [gradient @ signs(f"projection {i} of {name}", gradient.size) for i in range(PROJECTIONS)]
        result[name] = rounded([np.linalg.norm(gradient), *projections])
    return result


def continuation(model, i, length, below):
    """Greedy continuation of the first prompt whose every choice is clear and that is no repetition."""
    for attempt in range(1000):
        prompt = tokens(f"prompt {i} {attempt}", length, below)
        grown, clear = list(prompt), True
        while clear and len(grown) < length + NEW_TOKENS:
            with torch.no_grad():
                logits = model(torch.tensor([grown]), use_cache=False).logits[0, -1]
            best = logits.topk(2).values
            clear = bool(best[0] - best[1] > CLEAR)
            grown.append(int(logits.argmax()))
        if clear and len(set(grown[length:])) >= 4:
            return dict(prompt=prompt, tokens=grown[length:])
    raise RuntimeError("no prompt with clear choices")


def changed(config, change):
    return {
        key: value
        for key, value in {**config, **change.get("config", {})}.items()
        if key not in change.get("without", [])
    }


def sequences_of(below):
    return [
        dict(tokens=tokens(f"sequence {i}", length, below), labelsFrom=first)
        for i, (length, first) in enumerate(LENGTHS)
    ]


def written_config(case):
    """config.json as this version of transformers writes it with a model."""
    with tempfile.TemporaryDirectory() as folder:
        config = AutoConfig.for_model(**case["config"])
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        return json.loads(Path(folder, "config.json").read_text())


def older_figures(case):
    """What the older transformers says of a case: its config.json, and the losses of it and of its variants."""
    config, sequences = written_config(case), sequences_of(case["tokens_below"])
    return dict(
        config=config,
        nll=losses(config, sequences),
        variants={
            change["name"]: losses(changed(config, change), sequences)
            for change in case["variants"]
            if change.get("of") == "configOlder" and "refused" not in change
        },
    )


def record_variant(change, case, config, base_nll, base_tensors, sequences, older):
    change = dict(change)
    at_least = change.pop("at_least", 1e-2)
    name = f"{case['name']}, {change['name']}"
    if change.pop("unread", False):
        return change
    is_used = not change.pop("unused", False)
    full = changed(config, change)
    model, tensors = load(full)
    with torch.no_grad():
        nll = token_losses(model, sequences).tolist()
    distance = farthest(nll, base_nll)
    other = tensors != base_tensors
    if "refused" in change:
        assert (other or distance > at_least) == is_used, f"{name}: differs by {distance}"
        return change
    if other:
        names = {tensor[0] for tensor in tensors}
        change["tensors"] = [tensor for tensor in tensors if tensor not in base_tensors]
        change["gone"] = [tensor[0] for tensor in base_tensors if tensor[0] not in names]
    if change.get("same"):
        assert distance < AGREED and not other, f"{name}: differs by {distance}"
    else:
        assert distance > at_least, f"{name}: differs by {distance} only"
        change["nll"] = rounded(nll)
    if older is not None and farthest(nll, older) > AGREED:
        print(f"{name}: transformers 4 differs by {farthest(nll, older):.3g}", file=sys.stderr)
        change["nllOlder"] = rounded(older)
    return change


def record(case, older):
    config, sequences = written_config(case), sequences_of(case["tokens_below"])
    model, tensors = load(config)
    nll = token_losses(model, sequences)
    assert nll.std() > 1, f"{case['name']}: the losses vary by {nll.std()} only"
    gradient = gradients(model, tensors, nll)
    nll = nll.tolist()
    result = dict(
        transformers=transformers.__version__,
        config=config,
        configOlder=older["config"],
        tensors=tensors,
        sequences=sequences,
        nll=rounded(nll),
        gradients=gradient,
        generated=[continuation(model, i, length, case["tokens_below"]) for i, length in enumerate(PROMPTS)],
    )
    for which, found in (
        ("by transformers 4", older["nll"]),
        ("of its configuration", losses(older["config"], sequences)),
    ):
        assert farthest(found, nll) < AGREED, f"{case['name']}: {which} differs by {farthest(found, nll)}"
    narrow, _ = load(config, torch.bfloat16)
    with torch.no_grad():
        computed = token_losses(narrow, sequences)
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
        result["narrow"] = dict(exact=rounded(token_losses(model, sequences)), transformers=rounded(computed))
    result["variants"] = [
        record_variant(
            change,
            case,
            result[change.get("of", "config")],
            nll,
            tensors,
            sequences,
            older["variants"].get(change["name"]) if change.get("of") == "configOlder" else None,
        )
        for change in case["variants"]
    ]
    return result


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def text(result):
    """JSON with a line for each figure, tensor and variant."""
    lines = []
    for key, value in result.items():
        if key in ("tensors", "sequences", "generated", "variants"):
            value = "[\n" + ",\n".join(compact(entry) for entry in value) + "\n]"
        elif key == "gradients":
            value = "{\n" + ",\n".join(f"{compact(name)}:{compact(entry)}" for name, entry in value.items()) + "\n}"
        else:
            value = compact(value)
        lines.append(f'"{key}":{value}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def older_python(python, names):
    env = {**os.environ, "RECORD_TORCH_FROM": str(Path(torch.__file__).parents[1])}
    answer = subprocess.run([python, __file__, "--as-older", *names], env=env, stdout=subprocess.PIPE, check=True)
    return json.loads(answer.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--older", metavar="PYTHON", help="an interpreter with transformers 4.57")
    parser.add_argument("--as-older", action="store_true", help="print the older figures and configurations")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    names = options.cases or list(CASES)
    if options.as_older:
        assert transformers.__version__.startswith("4."), transformers.__version__
        json.dump({name: older_figures(CASES[name]) for name in names}, sys.stdout)
    else:
        assert transformers.__version__.startswith("5."), transformers.__version__
        older = older_python(options.older, names)
        for name in names:
            Path(__file__).with_name(f"{name}.json").write_text(text(record(CASES[name], older[name])))
