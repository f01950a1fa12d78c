"""Numbers that are a function of a name and an index, which ../recorded-families.ts computes alike."""

import math
import zlib

import numpy as np
import torch


def mix(x):
    x = x.astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def draw(name, size):
    """Multiples of 2^-23 in [-1, 1): exact in float32."""
    key = np.uint32(zlib.crc32(name.encode()))
    return (mix(np.arange(size, dtype=np.uint32) ^ key) >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def signs(name, size):
    return np.where(draw(name, size) < 0, -1.0, 1.0)


def tokens(name, count, below):
    return [int(t) for t in np.floor((draw(name, count) + 1) / 2 * below)]


def range_of(name, shape, model_type):
    """Centre and scale of a tensor: of a size at which every part of the model shows in the losses."""
    gemma = model_type.startswith(
        "gemma"
    )  # Norms there multiply by 1 + weight, and what is embedded by sqrt(hidden size).
    if name.endswith(".bias"):
        return 0, 0.2
    if gemma and name == "model.norm.weight":
        return 1, 0.3
    if len(shape) == 1:
        return (0 if gemma else 1), 0.3
    if any(part in name for part in ("wpe", "embed_positions")):
        return 0, 0.7
    if any(part in name for part in ("embed", "wte", "lm_head")):
        return 0, (0.4 if gemma else 0.9)
    transposed = model_type == "gpt2"
    return 0, round(1.5 * math.sqrt(3 / shape[0 if transposed else 1]), 3)


def values(tensor):
    name, shape, centre, scale = tensor
    numbers = centre + scale * draw(name, math.prod(shape))
    return torch.from_numpy(numbers.astype(np.float32).reshape(shape))
