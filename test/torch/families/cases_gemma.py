"""Gemma, Gemma 2 and the text models of Gemma 3."""

from describe import (
    EPSILON,
    HARMLESS,
    MISH,
    OLD_DTYPE,
    OTHER_LAYERS,
    RELU,
    RMS,
    SMALL,
    TIED,
    UNTIED,
    case,
    marked,
    older,
    refused,
    refused_ropes,
    rope,
    same,
    unused,
    variant,
)

GEMMA = dict(**{**SMALL, "num_hidden_layers": 4}, **RMS)
TANH = "gelu_pytorch_tanh"


def two_ropes(full, sliding):
    return dict(rope_parameters=dict(full_attention=full, sliding_attention=sliding))


GLOBAL, LOCAL = dict(rope_type="default", rope_theta=3000.0), dict(rope_type="default", rope_theta=40.0)
BASELESS = two_ropes(dict(rope_type="default"), dict(rope_type="default"))
LAYERS = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
BIDIRECTIONAL = refused("use_bidirectional_attention", "attention to both sides", use_bidirectional_attention=True)
GEMMA3 = dict(
    **GEMMA, head_dim=12, rope_theta=3000.0, rope_local_base_freq=40.0, sliding_window=6, query_pre_attn_scalar=20
)
case(
    "gemma-tied",
    "gemma",
    [
        variant("base of the angles", **rope(rope_theta=20.0)),
        variant("linear angles", **rope("linear", rope_theta=650.0, factor=3.0)),
        EPSILON,
        RELU,
        same("gelu is its approximation", hidden_act="gelu"),
        # In spite of what its documentation says.
        same("hidden_act counts, not hidden_activation", hidden_activation="relu"),
        variant("narrow heads", head_dim=8),
        variant("head size where none is given", without=["head_dim"]),
        variant("biases of attention", attention_bias=True),
        variant("more key-value heads", num_key_value_heads=4),
        variant("key-value heads where none are given", num_attention_heads=32, without=["num_key_value_heads"]),
        UNTIED,
        same("tied where nothing is said", without=["tie_word_embeddings"]),
        MISH,
        # With the attention that is recorded these two never read it.
        marked(BIDIRECTIONAL, unread=True),
        *refused_ropes(),
        *HARMLESS,
        older(variant("base of the angles", rope_theta=20.0)),
        older(same("gelu is its approximation", hidden_act="gelu", hidden_activation=None)),
        older(same("hidden_act counts, not hidden_activation", hidden_activation="relu")),
        older(same("gelu is its approximation, hidden_activation", hidden_act="gelu", hidden_activation=TANH)),
        OLD_DTYPE,
    ],
    padded=11,
    **{**GEMMA, "num_key_value_heads": 1},
    head_dim=12,
    rope_theta=650.0,
    tie_word_embeddings=True,
)
case(
    "gemma-biased",
    "gemma",
    [
        variant("no biases", attention_bias=False),
        variant("no biases where nothing is said", without=["attention_bias"]),
        variant("activation where none is given", without=["hidden_act"]),
        TIED,
    ],
    **{**GEMMA, "num_key_value_heads": 4, "vocab_size": 67},
    head_dim=6,
    attention_bias=True,
    hidden_act="silu",
    rope_theta=650.0,
    rope_scaling=dict(rope_type="linear", factor=2.5),
    tie_word_embeddings=False,
)
GEMMA2 = dict(**GEMMA, head_dim=12, rope_theta=750.0, sliding_window=6, query_pre_attn_scalar=20)
case(
    "gemma2-tied",
    "gemma2",
    [
        variant("base of the angles", **rope(rope_theta=20.0)),
        variant("linear angles", **rope("linear", rope_theta=750.0, factor=3.0)),
        EPSILON,
        variant("window", sliding_window=9),
        variant("window where none is given", without=["sliding_window"]),
        variant("no windows", layer_types=["full_attention"] * 4),
        OTHER_LAYERS,
        variant("kinds of layers", layer_types=LAYERS),
        same("kinds of layers where none are given", without=["layer_types"]),
        variant("scale of the scores", query_pre_attn_scalar=5),
        variant("scale of the scores where none is given", without=["query_pre_attn_scalar"]),
        variant("head size where none is given", without=["head_dim"]),
        variant("key-value heads where none are given", num_attention_heads=8, without=["num_key_value_heads"]),
        same("tied where nothing is said", without=["tie_word_embeddings"]),
        refused("hidden_activation", "another activation", hidden_activation="mish"),
        variant("softcap of the scores", attn_logit_softcapping=1.0),
        variant("no softcap of the scores", attn_logit_softcapping=None),
        variant("softcap of the scores where none is given", without=["attn_logit_softcapping"]),
        variant("softcap of the logits", final_logit_softcapping=4.0),
        variant("no softcap of the logits", final_logit_softcapping=None),
        variant("softcap of the logits where none is given", without=["final_logit_softcapping"]),
        variant("relu", hidden_activation="relu"),
        marked(variant("gelu", hidden_activation="gelu"), at_least=1e-3),
        same("the older key of the activation", hidden_act="relu"),
        variant("narrow heads", head_dim=8),
        variant("biases of attention", attention_bias=True),
        UNTIED,
        # With the attention that is recorded these two never read it.
        marked(BIDIRECTIONAL, unread=True),
        *refused_ropes(),
        *HARMLESS,
        older(variant("base of the angles", rope_theta=20.0)),
        older(same("kinds of layers where none are given", without=["layer_types"])),
        OLD_DTYPE,
    ],
    padded=6,
    **GEMMA2,
    attn_logit_softcapping=2.5,
    final_logit_softcapping=8.0,
    tie_word_embeddings=True,
)
case(
    "gemma2-uncapped",
    "gemma2",
    [variant("softcaps", attn_logit_softcapping=2.0, final_logit_softcapping=5.0), TIED],
    **{**GEMMA2, "num_key_value_heads": 4, "vocab_size": 101},
    layer_types=LAYERS,
    attention_bias=True,
    attn_logit_softcapping=None,
    final_logit_softcapping=None,
    tie_word_embeddings=False,
)
case(
    "gemma3-pattern",
    "gemma3_text",
    [
        variant("base of the full layers' angles", **two_ropes({**GLOBAL, "rope_theta": 60.0}, LOCAL)),
        variant("base of the sliding layers' angles", **two_ropes(GLOBAL, {**LOCAL, "rope_theta": 2.0})),
        variant(
            "linear angles of the full layers",
            **two_ropes(dict(rope_type="linear", rope_theta=3000.0, factor=8.0), LOCAL),
        ),
        variant(
            "linear angles of the sliding layers",
            **two_ropes(GLOBAL, dict(rope_type="linear", rope_theta=40.0, factor=8.0)),
        ),
        refused(
            "rope_type",
            "yarn",
            **two_ropes(
                dict(rope_type="yarn", rope_theta=3000.0, factor=4.0, original_max_position_embeddings=16), LOCAL
            ),
        ),
        refused(
            "rope_parameters",
            "angles of all layers alike",
            rope_parameters=dict(rope_type="linear", rope_theta=3000.0, factor=8.0),
        ),
        variant("rope_scaling beside rope_parameters", rope_scaling=dict(rope_type="linear", factor=8.0)),
        variant("bases beside rope_parameters", rope_theta=60.0, rope_local_base_freq=2.0, **BASELESS),
        variant("bases where none are given", **BASELESS),
        EPSILON,
        variant("window", sliding_window=9),
        variant("window where none is given", without=["sliding_window"]),
        OTHER_LAYERS,
        variant("kinds of layers", layer_types=LAYERS),
        variant(
            "kinds of layers where none are given",
            without=["layer_types", "sliding_window_pattern", "_sliding_window_pattern"],
        ),
        variant("scale of the scores", query_pre_attn_scalar=5),
        variant("scale of the scores where none is given", without=["query_pre_attn_scalar"]),
        variant("head size where none is given", without=["head_dim"]),
        variant("key-value heads where none are given", num_attention_heads=8, without=["num_key_value_heads"]),
        same("tied where nothing is said", without=["tie_word_embeddings"]),
        refused("hidden_activation", "another activation", hidden_activation="mish"),
        # Gemma 3 has the key, but no softcap of the scores.
        unused(refused("attn_logit_softcapping", "softcap of the scores", attn_logit_softcapping=1.5)),
        variant("softcap of the logits", final_logit_softcapping=5.0),
        variant("relu", hidden_activation="relu"),
        marked(variant("gelu", hidden_activation="gelu"), at_least=1e-3),
        variant("biases of attention", attention_bias=True),
        variant("narrow heads", head_dim=8),
        UNTIED,
        BIDIRECTIONAL,
        *HARMLESS,
        older(
            variant(
                "pattern of the layers", sliding_window_pattern=2, without=["layer_types", "_sliding_window_pattern"]
            )
        ),
        older(
            variant(
                "pattern of the layers where none is given",
                num_hidden_layers=6,
                without=["layer_types", "sliding_window_pattern", "_sliding_window_pattern"],
            )
        ),
        older(variant("base of the full layers' angles", rope_theta=60.0)),
        older(variant("base of the sliding layers' angles", rope_local_base_freq=2.0)),
        older(variant("linear angles of the full layers", rope_scaling=dict(rope_type="linear", factor=8.0))),
        OLD_DTYPE,
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
        TIED,
    ],
    **{**GEMMA3, "vocab_size": 101, "num_key_value_heads": 1, "query_pre_attn_scalar": 12},
    layer_types=LAYERS,
    rope_scaling=dict(rope_type="linear", factor=8.0),
    attention_bias=True,
    final_logit_softcapping=6.0,
    tie_word_embeddings=False,
)
