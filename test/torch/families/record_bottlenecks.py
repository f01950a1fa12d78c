"""Records what unlearning layers do in the small models of cases.py, in ../fixtures/unlearning-layers.json.

    python record_bottlenecks.py

Needs torch and transformers 5. Models and sequences are those of the cases' own files. Behind the MLP of each layer, as transformers names
it, a hook adds U activation(D y + d) + u to what it gives, y. Tensors are functions of their names, as everywhere here.

What is recorded of a model:
  bottleneck, activation, tensors
  moved       how far they move -log p of the label tokens, at most, in nats
  nll         -log p of every label token, in nats
  gradients   of sum_i u_i * nll_i, u from `draw("weights of labels", ...)`: norm, and projections on 4 vectors of signs
  grams       of the inputs of D and U, each with a 1 behind it, over the tokens before each sequence's last label, in the last layer over
              those that predict labels: [trace, projections of the lower triangle on 4 vectors of signs], by D's and U's names
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.nn import functional as F

from draws import draw, signs, values
from record import farthest, load, rounded, token_losses
from record_activations import layers_of

PROJECTIONS = 4
CASES = {
    "llama-tied": (5, "gelu"),
    "gemma2-tied": (3, "relu"),  # a norm after the MLP
    "gpt_neox-parallel": (4, "silu"),  # the MLP beside attention
    "gpt2-tied": (1, "gelu_tanh"),  # no gate
    "qwen3-windows": (6, "gelu"),
}
ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
}


def name_of(layer, part):
    return f"layers.{layer}.unlearning_layer.{part}"


def tensors_of(layers, hidden, width):
    scale = lambda inputs: round(1.2 * math.sqrt(3 / inputs), 3)
    return [
        tensor
        for i in range(layers)
        for tensor in (
            [name_of(i, "down.weight"), [width, hidden], 0, scale(hidden)],
            [name_of(i, "down.bias"), [width], 0, 0.2],
            [name_of(i, "up.weight"), [hidden, width], 0, scale(width)],
            [name_of(i, "up.bias"), [hidden], 0, 0.1],
        )
    ]


class Bottlenecks:
    """Hooks on a model's MLPs."""

    def __init__(self, model, width, activation):
        layers = layers_of(model)
        self.tensors = tensors_of(len(layers), model.config.hidden_size, width)
        dtype = next(model.parameters()).dtype
        self.parameters = {t[0]: values(t).to(dtype).requires_grad_() for t in self.tensors}
        self.inputs = {}
        for i, layer in enumerate(layers):
            layer.mlp.register_forward_hook(self.hook(i, ACTIVATIONS[activation]))

    def hook(self, i, activation):
        def add(_module, _inputs, y):
            part = lambda name: self.parameters[name_of(i, name)]
            inner = activation(y @ part("down.weight").T + part("down.bias"))
            self.inputs[name_of(i, "down.weight")] = y.detach()[0]
            self.inputs[name_of(i, "up.weight")] = inner.detach()[0]
            return y + inner @ part("up.weight").T + part("up.bias")

        return add


def grams(model, bottlenecks, sequences):
    """The lower triangles, row after row, by the name of the matrix that reads the inputs."""
    found = {}
    last = name_of(len(layers_of(model)) - 1, "")
    for sequence in sequences:
        with torch.no_grad():
            model(torch.tensor([sequence["tokens"]]), use_cache=False)
        for name, rows in bottlenecks.inputs.items():
            own = rows[sequence["labelsFrom"] - 1 if name.startswith(last) else 0 : len(sequence["tokens"]) - 1].double()
            own = torch.cat([own, torch.ones(len(own), 1, dtype=torch.double)], 1)
            found[name] = found.get(name, 0) + own.T @ own
    return {name: matrix[*torch.tril_indices(*matrix.shape)].numpy() for name, matrix in found.items()}


def record(name):
    case = json.loads(Path(__file__).with_name(f"{name}.json").read_text())
    width, activation = CASES[name]
    model, tensors = load(case["config"])
    assert [list(tensor) for tensor in tensors] == case["tensors"]
    # Wide, so that what is recorded is right to its last digit.
    model = model.double()
    bottlenecks = Bottlenecks(model, width, activation)
    nll = token_losses(model, case["sequences"])
    (nll * torch.from_numpy(draw("weights of labels", len(nll)))).sum().backward()
    gradients = {}
    for each, parameter in bottlenecks.parameters.items():
        gradient = parameter.grad.flatten().numpy()
        projections = [gradient @ signs(f"projection {i} of {each}", gradient.size) for i in range(PROJECTIONS)]
        gradients[each] = rounded([np.linalg.norm(gradient), *projections])
    triangles = {}
    for each, triangle in grams(model, bottlenecks, case["sequences"]).items():
        size = int((math.sqrt(8 * len(triangle) + 1) - 1) / 2)
        trace = sum(triangle[i * (i + 3) // 2] for i in range(size))
        projections = [triangle @ signs(f"projection {i} of the inputs of {each}", triangle.size) for i in range(PROJECTIONS)]
        triangles[each] = rounded([trace, *projections])
    moved = farthest(nll.tolist(), case["nll"])
    print(name, f"moved {moved:.3g}")
    return dict(
        bottleneck=width,
        activation=activation,
        tensors=bottlenecks.tensors,
        moved=float(f"{moved:.3g}"),
        nll=rounded(nll.tolist()),
        gradients=gradients,
        grams=triangles,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    recorded = {name: record(name) for name in CASES}
    lines = [
        f"{json.dumps(name)}:{{\n"
        + ",\n".join(f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in case.items())
        + "\n}"
        for name, case in recorded.items()
    ]
    head = f'{{\n"transformers":"{transformers.__version__}",\n"models":{{\n'
    Path(__file__).parents[1].joinpath("fixtures", "unlearning-layers.json").write_text(head + ",\n".join(lines) + "\n}\n}\n")
