"""Records the logit lens of transformers for the small models of cases.py, in ../fixtures/logit-lens.json.

    python record_lens.py

Needs torch and transformers 5. Models and sequences are those of the cases' own files. For each layer there is the log-probability of
every label token, by the residual stream after the layer through the model's own final norm, head and cap of logits, of weights widened to
float64. The last layer's is that of the model's own logits.
"""

import json
from pathlib import Path

import torch
import transformers

from record import load, rounded
from record_activations import layers_of

NAMES = ["llama-tied", "gemma2-tied", "gemma3-pattern", "gpt_neox-parallel", "phi-plain", "opt-plain", "gpt2-tied"]
FINAL_NORMS = ["norm", "final_layer_norm", "final_layernorm", "ln_f"]


def final_norm(model):
    """Of the module that has the layers."""
    layers = layers_of(model)
    owner = next(m for m in model.modules() if any(child is layers for child in m.children()))
    return next(getattr(owner, name) for name in FINAL_NORMS if getattr(owner, name, None) is not None)


def lens(model, sequences):
    """[layers, label tokens], one sequence after the other."""
    norm, head = final_norm(model), model.get_output_embeddings()
    cap = getattr(model.config, "final_logit_softcapping", None)
    found = [[] for _ in layers_of(model)]
    kept = {}
    handles = [
        layer.register_forward_hook(lambda _m, _i, output, i=i: kept.update({i: output[0] if isinstance(output, tuple) else output}))
        for i, layer in enumerate(layers_of(model))
    ]
    for sequence in sequences:
        ids, first = torch.tensor([sequence["tokens"]]), sequence["labelsFrom"]
        own = model(ids, use_cache=False).logits[0]
        for i, read in enumerate(found):
            logits = head(norm(kept[i][0]))
            if cap is not None:
                logits = cap * torch.tanh(logits / cap)
            log_p = logits[first - 1 : -1].log_softmax(-1).gather(-1, ids[0, first:, None])[:, 0]
            read.append(log_p)
        expected = own[first - 1 : -1].log_softmax(-1).gather(-1, ids[0, first:, None])[:, 0]
        assert torch.allclose(found[-1][-1], expected, rtol=0, atol=1e-12)
    for handle in handles:
        handle.remove()
    return [torch.cat(read).tolist() for read in found]


def record(name):
    case = json.loads(Path(__file__).with_name(f"{name}.json").read_text())
    model, tensors = load(case["config"])
    assert [list(tensor) for tensor in tensors] == case["tensors"]
    with torch.no_grad():
        return [rounded(layer) for layer in lens(model.double(), case["sequences"])]


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    recorded = {name: record(name) for name in NAMES}
    lines = [
        f"{json.dumps(name)}:[\n" + ",\n".join(json.dumps(layer, separators=(",", ":")) for layer in layers) + "\n]"
        for name, layers in recorded.items()
    ]
    head = f'{{\n"transformers":"{transformers.__version__}",\n"models":{{\n'
    Path(__file__).parents[1].joinpath("fixtures", "logit-lens.json").write_text(head + ",\n".join(lines) + "\n}\n}\n")
