"""Records the hidden states of transformers for the small models of cases.py, in ../fixtures/activations.json.

    python record_activations.py

Needs torch and transformers 5. Models and sequences are those of the cases' own files. For each layer there are its outputs' sums of
squares and their products with `draw("direction", width)`, at the position that predicts each label token: the residual stream
after the layer, before the final norm also of the last one.
"""

import json
from pathlib import Path

import torch
import transformers

from cases import CASES
from draws import draw
from record import load, rounded, sequences_of

NAMES = ["llama-tied", "gemma2-tied", "gpt_neox-parallel", "phi-plain", "opt-plain"]


def layers_of(model):
    return next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == model.config.num_hidden_layers)


def states(model, sequences):
    """[layers, label tokens, width], one sequence after the other."""
    found = [[] for _ in layers_of(model)]
    first = None

    def hook(i):
        def keep(_module, _inputs, output):
            found[i].append((output[0] if isinstance(output, tuple) else output)[0, first - 1 : -1].double())

        return keep

    handles = [layer.register_forward_hook(hook(i)) for i, layer in enumerate(layers_of(model))]
    for sequence in sequences:
        first = sequence["labelsFrom"]
        ids = torch.tensor([sequence["tokens"]])
        hidden = model(ids, use_cache=False, output_hidden_states=True).hidden_states
        for i, own in enumerate(found[:-1]):
            assert torch.equal(own[-1], hidden[i + 1][0, first - 1 : -1].double())
    for handle in handles:
        handle.remove()
    return torch.stack([torch.cat(own) for own in found])


def record(name):
    case = json.loads(Path(__file__).with_name(f"{name}.json").read_text())
    model, tensors = load(case["config"])
    assert [list(tensor) for tensor in tensors] == case["tensors"]
    assert sequences_of(CASES[name]["tokens_below"]) == case["sequences"]
    with torch.no_grad():
        h = states(model, case["sequences"])
    direction = torch.from_numpy(draw("direction", h.shape[-1]))
    return [dict(squares=rounded(own.square().sum(-1).tolist()), products=rounded((own @ direction).tolist())) for own in h]


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    recorded = {name: record(name) for name in NAMES}
    lines = [
        f"{json.dumps(name)}:[\n" + ",\n".join(json.dumps(own, separators=(",", ":")) for own in layers) + "\n]"
        for name, layers in recorded.items()
    ]
    head = f'{{\n"transformers":"{transformers.__version__}",\n"models":{{\n'
    Path(__file__).parents[1].joinpath("fixtures", "activations.json").write_text(head + ",\n".join(lines) + "\n}\n}\n")
