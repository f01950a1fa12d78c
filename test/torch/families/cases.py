"""The small models that record.py records, and the values of their configuration that it changes.

Configurations are given as transformers 4 took them, which transformers 5 takes too. No value is a default where another can
be had, so that a key that is not read shows.
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
    """`config`'s keys are given as such; marks of record.py with them are given to `marked`."""
    return dict(name=name, **(dict(config=keys) if keys else {}), **(dict(without=list(without)) if without else {}))


def marked(change, **marks):
    return {**change, **marks}


def same(name, **keys):
    return marked(variant(name, **keys), same=True)


def refused(key, name, **keys):
    return marked(variant(name, **keys), refused=key)


def older(change):
    return marked(change, of="configOlder")


def rope(rope_type="default", **entries):
    return dict(rope_parameters=dict(rope_type=rope_type, **entries))


def refused_ropes(**entries):
    """Ways to scale angles that depend on the length of a text, or have attention scaled too."""
    original = dict(factor=2.0, original_max_position_embeddings=16)
    return [
        refused("rope_type", "dynamic angles", max_position_embeddings=32, **rope("dynamic", rope_theta=500.0, **original, **entries)),
        refused("rope_type", "yarn", **rope("yarn", rope_theta=500.0, **original, **entries)),
    ]


def longrope(rotated, **entries):
    factors = dict(short_factor=[1.5] * (rotated // 2), long_factor=[3.0] * (rotated // 2))
    return refused(
        "rope_type",
        "longrope",
        **rope("longrope", rope_theta=500.0, factor=2.0, original_max_position_embeddings=16, **factors, **entries),
    )


HARMLESS = [same("what training and serving alone use", use_cache=False, attention_dropout=0.5)]
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
RMS = dict(rms_norm_eps=0.02)
EPSILON = variant("epsilon", rms_norm_eps=0.2)
LLAMA3 = dict(factor=4.0, low_freq_factor=1.0, high_freq_factor=3.0, original_max_position_embeddings=24)


def llama3(**entries):
    return rope("llama3", rope_theta=1000.0, **{**LLAMA3, **entries})


case(
    "llama-tied",
    "llama",
    [
        variant("base of the angles", **rope(rope_theta=50.0)),
        variant("linear angles", **rope("linear", rope_theta=500.0, factor=3.0)),
        variant("angles of Llama 3", **llama3()),
        EPSILON,
        variant("gelu", hidden_act="gelu"),
        variant("relu", hidden_act="relu"),
        same("swish is silu", hidden_act="swish"),
        variant("untied", tie_word_embeddings=False),
        variant("biases of attention", attention_bias=True),
        variant("biases of the feed-forward layers", mlp_bias=True),
        variant("wide heads", head_dim=12),
        variant("a key-value head for each", num_key_value_heads=4),
        variant("as many key-value heads where none are given", without=["num_key_value_heads"]),
        *refused_ropes(),
        longrope(8),
        *HARMLESS,
        older(variant("linear angles, type", rope_scaling=dict(type="linear", factor=3.0))),
        older(variant("linear angles, rope_type", rope_scaling=dict(rope_type="linear", factor=3.0))),
        older(variant("base of the angles where none is given", without=["rope_theta"])),
        older(marked(variant("head size where none is given", without=["head_dim"]), same=True)),
        older(marked(variant("torch_dtype", torch_dtype="float16", without=["dtype"]), same=True)),
    ],
    padded=10,
    **SMALL,
    **RMS,
    rope_theta=500.0,
    tie_word_embeddings=True,
)
case(
    "llama-biased",
    "llama",
    [
        variant("factor", **llama3(factor=16.0)),
        variant("slow angles", **llama3(low_freq_factor=2.0)),
        variant("fast angles", **llama3(high_freq_factor=9.0)),
        variant("length of pretraining", **llama3(original_max_position_embeddings=50)),
        variant("tied", tie_word_embeddings=True),
    ],
    **{**SMALL, "num_key_value_heads": 4},
    **RMS,
    head_dim=12,
    attention_bias=True,
    mlp_bias=True,
    rope_theta=1000.0,
    rope_scaling=dict(rope_type="llama3", **LLAMA3),
    tie_word_embeddings=False,
)
case(
    "llama-linear",
    "llama",
    [variant("factor", **rope("linear", rope_theta=300.0, factor=1.25))],
    **{**SMALL, "vocab_size": 67, "hidden_size": 24, "intermediate_size": 41, "num_attention_heads": 3, "num_key_value_heads": 1},
    **RMS,
    rope_theta=300.0,
    rope_scaling=dict(rope_type="linear", factor=2.5),
    tie_word_embeddings=True,
)

GPT2 = dict(
    vocab_size=71,
    n_embd=32,
    n_layer=3,
    n_head=4,
    n_positions=64,
    layer_norm_epsilon=0.02,
    bos_token_id=0,
    eos_token_id=0,
    attn_pdrop=0.0,
    embd_pdrop=0.0,
    resid_pdrop=0.0,
)
CROSS = marked(refused("add_cross_attention", "cross-attention", add_cross_attention=True))
case(
    "gpt2-tied",
    "gpt2",
    [
        variant("epsilon", layer_norm_epsilon=0.3),
        marked(variant("gelu", activation_function="gelu"), at_least=1e-3),
        variant("relu", activation_function="relu"),
        variant("silu", activation_function="silu"),
        same("gelu_pytorch_tanh is gelu_new", activation_function="gelu_pytorch_tanh"),
        variant("more heads", n_head=8),
        variant("inner size", n_inner=57),
        variant("scores unscaled", scale_attn_weights=False),
        variant("scores by layer", scale_attn_by_inverse_layer_idx=True),
        variant("untied", tie_word_embeddings=False),
        same("scores in float32", reorder_and_upcast_attn=True),
        CROSS,
        same("what training and serving alone use", use_cache=False, attn_pdrop=0.5, embd_pdrop=0.5, resid_pdrop=0.5, n_ctx=64),
        older(marked(variant("what was not always written", without=["tie_word_embeddings", "n_inner", "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"]), same=True)),
        older(marked(variant("torch_dtype", torch_dtype="float16", without=["dtype"]), same=True)),
    ],
    padded=4,
    **GPT2,
)
case(
    "gpt2-by-layer",
    "gpt2",
    [variant("scores alike", scale_attn_by_inverse_layer_idx=False), variant("inner size where none is given", n_inner=None)],
    **{**GPT2, "n_embd": 36, "n_head": 3},
    n_inner=57,
    scale_attn_by_inverse_layer_idx=True,
    activation_function="gelu",
)
case(
    "gpt2-unscaled",
    "gpt2",
    [variant("scores scaled", scale_attn_weights=True), variant("tied", tie_word_embeddings=True)],
    **GPT2,
    scale_attn_weights=False,
    activation_function="relu",
    tie_word_embeddings=False,
)

GEMMA = dict(**{**SMALL, "num_hidden_layers": 4}, **RMS, head_dim=12)
TANH = "gelu_pytorch_tanh"


def two_ropes(full, sliding):
    return dict(rope_parameters=dict(full_attention=full, sliding_attention=sliding))


GLOBAL, LOCAL = dict(rope_type="default", rope_theta=3000.0), dict(rope_type="default", rope_theta=40.0)
LAYERS = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
BIDIRECTIONAL = refused("use_bidirectional_attention", "attention to both sides", use_bidirectional_attention=True)
GEMMA3 = dict(**GEMMA, rope_theta=3000.0, rope_local_base_freq=40.0, sliding_window=6, query_pre_attn_scalar=20)
case(
    "gemma3-pattern",
    "gemma3_text",
    [
        variant("base of the full layers' angles", **two_ropes({**GLOBAL, "rope_theta": 60.0}, LOCAL)),
        variant("base of the sliding layers' angles", **two_ropes(GLOBAL, {**LOCAL, "rope_theta": 2.0})),
        variant("linear angles of the full layers", **two_ropes(dict(rope_type="linear", rope_theta=3000.0, factor=8.0), LOCAL)),
        marked(
            variant("linear angles of the sliding layers", **two_ropes(GLOBAL, dict(rope_type="linear", rope_theta=40.0, factor=8.0))),
            mayRefuse="rope_type",
        ),
        refused("rope_type", "yarn", **two_ropes(dict(rope_type="yarn", rope_theta=3000.0, factor=4.0, original_max_position_embeddings=16), LOCAL)),
        EPSILON,
        variant("window", sliding_window=9),
        variant("kinds of layers", layer_types=LAYERS),
        variant("kinds of layers where none are given", without=["layer_types", "sliding_window_pattern", "_sliding_window_pattern"]),
        variant("scale of the scores", query_pre_attn_scalar=5),
        # Gemma 3 has the key, but no softcap of the scores.
        marked(same("softcap of the scores", attn_logit_softcapping=1.5), mayRefuse="attn_logit_softcapping"),
        variant("softcap of the logits", final_logit_softcapping=5.0),
        variant("relu", hidden_activation="relu"),
        marked(variant("gelu", hidden_activation="gelu"), at_least=1e-3),
        variant("biases of attention", attention_bias=True),
        variant("narrow heads", head_dim=8),
        variant("untied", tie_word_embeddings=False),
        BIDIRECTIONAL,
        *HARMLESS,
        older(variant("pattern of the layers", sliding_window_pattern=2, without=["layer_types", "_sliding_window_pattern"])),
        older(variant("base of the full layers' angles", rope_theta=60.0)),
        older(variant("base of the sliding layers' angles", rope_local_base_freq=2.0)),
        older(variant("linear angles of the full layers", rope_scaling=dict(rope_type="linear", factor=8.0))),
        older(marked(variant("torch_dtype", torch_dtype="float16", without=["dtype"]), same=True)),
    ],
    padded=5,
    **GEMMA3,
    sliding_window_pattern=3,
    tie_word_embeddings=True,
)
case(
    "gemma3-linear",
    "gemma3_text",
    [
        variant("factor", **two_ropes(dict(rope_type="linear", rope_theta=3000.0, factor=1.5), LOCAL)),
        variant("no softcap of the logits", final_logit_softcapping=None),
        variant("tied", tie_word_embeddings=True),
    ],
    **{**GEMMA3, "vocab_size": 101, "num_key_value_heads": 1, "query_pre_attn_scalar": 12},
    layer_types=LAYERS,
    rope_scaling=dict(rope_type="linear", factor=8.0),
    attention_bias=True,
    final_logit_softcapping=6.0,
    tie_word_embeddings=False,
)
