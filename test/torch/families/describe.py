"""How the small models that record.py records are described, and the values of their configuration that it changes.

Configurations are given as transformers 4 took them, which transformers 5 takes too. No value is a default where another
can be had, so that a key that is not read shows.
"""

LENGTHS = [(19, 3), (2, 1), (33, 20), (9, 8), (47, 36)]  # tokens, first label
PROMPTS = [3, 11, 26]  # tokens
NEW_TOKENS = 16

CASES = {}


def case(name, model_type, variants=(), padded=0, **config):
    """Tokens are drawn from all but the last `padded` of the vocabulary."""
    config = dict(model_type=model_type, **config)
    CASES[name] = dict(name=name, config=config, tokens_below=config["vocab_size"] - padded, variants=list(variants))


def variant(name, without=(), **keys):
    """What record.py describes: the configuration with other `keys`, and `without` some."""
    return dict(name=name, **(dict(config=keys) if keys else {}), **(dict(without=list(without)) if without else {}))


def marked(change, **marks):
    return {**change, **marks}


def same(name, **keys):
    return marked(variant(name, **keys), same=True)


def refused(key, name, without=(), **keys):
    return marked(variant(name, without, **keys), refused=key)


def unused(change):
    """Of what is to be refused though transformers computes the same."""
    return marked(change, unused=True)


def older(change):
    return marked(change, of="configOlder")


def rope(rope_type="default", **entries):
    return dict(rope_parameters=dict(rope_type=rope_type, **entries))


def refused_ropes(**entries):
    """Ways to scale angles that depend on the length of a text, or have attention scaled too."""
    original = dict(factor=2.0, original_max_position_embeddings=16)
    return [
        refused(
            "rope_type",
            "dynamic angles",
            max_position_embeddings=32,
            **rope("dynamic", rope_theta=500.0, **original, **entries),
        ),
        refused("rope_type", "yarn", **rope("yarn", rope_theta=500.0, **original, **entries)),
    ]


def longrope(rotated, **entries):
    factors = dict(short_factor=[1.5] * (rotated // 2), long_factor=[3.0] * (rotated // 2))
    return refused(
        "rope_type",
        "longrope",
        **rope("longrope", rope_theta=500.0, factor=2.0, original_max_position_embeddings=16, **factors, **entries),
    )


HARMLESS = [
    same("what training and serving alone use", use_cache=False, attention_dropout=0.5, initializer_range=0.5)
]
SMALL = dict(
    vocab_size=83,
    hidden_size=32,
    intermediate_size=45,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=None,
)
OLD_DTYPE = older(same("torch_dtype", torch_dtype="float16", without=["dtype"]))
RMS = dict(rms_norm_eps=0.02)
EPSILON = variant("epsilon", rms_norm_eps=0.2)
LAYER_NORM_EPSILON = variant("epsilon", layer_norm_eps=0.3)
UNTIED, TIED = variant("untied", tie_word_embeddings=False), variant("tied", tie_word_embeddings=True)
# transformers refuses it too.
OTHER_LAYERS = marked(
    refused("layer_types", "layers of another kind", layer_types=["chunked_attention"] * 4), unread=True
)
MISH = refused("hidden_act", "another activation", hidden_act="mish")
GELU, RELU = variant("gelu", hidden_act="gelu"), variant("relu", hidden_act="relu")
