"""Llama and what was made after it: Mistral, Qwen 2, Qwen 3."""

from describe import (
    EPSILON,
    GELU,
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
    longrope,
    marked,
    older,
    refused,
    refused_ropes,
    rope,
    same,
    unused,
    variant,
)

LLAMA3 = dict(factor=4.0, low_freq_factor=1.0, high_freq_factor=3.0, original_max_position_embeddings=24)


def llama3(**entries):
    return rope("llama3", rope_theta=1000.0, **{**LLAMA3, **entries})


case(
    "llama-tied",
    "llama",
    [
        variant("base of the angles", **rope(rope_theta=50.0)),
        variant("linear angles", **rope("linear", rope_theta=500.0, factor=3.0)),
        variant("linear angles, type", rope_parameters=dict(type="linear", rope_theta=500.0, factor=3.0)),
        # It stands in place of all that rope_parameters says, the base among it.
        variant("rope_scaling beside rope_parameters", rope_scaling=dict(rope_type="linear", factor=3.0)),
        same("the base in rope_parameters comes first", rope_theta=50.0),
        variant("the base beside rope_parameters", rope_theta=50.0, rope_parameters=dict(rope_type="default")),
        unused(
            refused(
                "rope_type", "angles scaled in no way that is named", rope_parameters=dict(rope_theta=500.0, factor=3.0)
            )
        ),
        unused(refused("partial_rotary_factor", "half of a head turned", partial_rotary_factor=0.5)),
        variant("angles of Llama 3", **llama3()),
        EPSILON,
        GELU,
        RELU,
        MISH,
        same("swish is silu", hidden_act="swish"),
        UNTIED,
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
        older(same("head size where none is given", without=["head_dim"])),
        older(same("head size null", head_dim=None)),
        OLD_DTYPE,
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
        variant(
            "length of pretraining where none is given",
            **rope("llama3", rope_theta=1000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=3.0),
        ),
        variant("biases of attention where nothing is said", without=["attention_bias"]),
        variant("biases of the feed-forward layers where nothing is said", without=["mlp_bias"]),
        same("untied where nothing is said", without=["tie_word_embeddings"]),
        TIED,
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
    **{
        **SMALL,
        "vocab_size": 67,
        "hidden_size": 24,
        "intermediate_size": 41,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
    },
    **RMS,
    rope_theta=300.0,
    rope_scaling=dict(rope_type="linear", factor=2.5),
    tie_word_embeddings=True,
)

MISTRAL = dict(**SMALL, **RMS, rope_theta=700.0)
case(
    "mistral-window",
    "mistral",
    [
        variant("window", sliding_window=9),
        variant("no window", sliding_window=None),
        variant("no window where none is given", without=["sliding_window"]),
        variant("base of the angles", **rope(rope_theta=50.0)),
        variant("linear angles", **rope("linear", rope_theta=700.0, factor=3.0)),
        EPSILON,
        GELU,
        variant("head size where none is given", without=["head_dim"]),
        variant("one key-value head", num_key_value_heads=1),
        variant("key-value heads where none are given", num_attention_heads=16, without=["num_key_value_heads"]),
        refused("layer_types", "kinds of layers", layer_types=["full_attention"] * 3),
        TIED,
        MISH,
        *refused_ropes(),
        *HARMLESS,
        older(variant("window", sliding_window=9)),
        older(variant("base of the angles", rope_theta=50.0)),
        OLD_DTYPE,
    ],
    **MISTRAL,
    head_dim=12,
    sliding_window=6,
    tie_word_embeddings=False,
)
case(
    "mistral-full",
    "mistral",
    [variant("a window", sliding_window=5)],
    padded=7,
    **{**MISTRAL, "hidden_size": 36, "num_attention_heads": 3, "num_key_value_heads": 3, "vocab_size": 109},
    sliding_window=None,
    tie_word_embeddings=True,
)
QWEN = dict(**{**SMALL, "num_hidden_layers": 4}, **RMS, rope_theta=600.0)
ALTERNATING = ["sliding_attention", "full_attention"] * 2
WINDOWS = [
    variant("kinds of layers", layer_types=ALTERNATING),
    variant("kinds of layers by their number", max_window_layers=3, without=["layer_types"]),
    same("kinds of layers come before their number", max_window_layers=3),
    same("kinds of layers where none are given", without=["layer_types"]),
    variant("no windows", use_sliding_window=False, without=["layer_types"]),
    variant("window", sliding_window=9),
    variant("window where none is given", without=["sliding_window"]),
    variant("first layer with a window where none is given", without=["layer_types", "max_window_layers"]),
    OTHER_LAYERS,
    older(same("kinds of layers where none are given", without=["layer_types"])),
    older(variant("kinds of layers by their number", max_window_layers=3, without=["layer_types"])),
]
ROPES = [
    variant("base of the angles", **rope(rope_theta=50.0)),
    variant("linear angles", **rope("linear", rope_theta=600.0, factor=3.0)),
    *refused_ropes(),
    older(variant("base of the angles", rope_theta=50.0)),
    older(variant("linear angles", rope_scaling=dict(type="linear", factor=3.0))),
]
case(
    "qwen2-windows",
    "qwen2",
    [
        *WINDOWS,
        *ROPES,
        EPSILON,
        RELU,
        MISH,
        TIED,
        variant("one key-value head", num_key_value_heads=1),
        variant("a key-value head for each", num_key_value_heads=None),
        variant("wide heads", head_dim=12),
        *HARMLESS,
        OLD_DTYPE,
    ],
    **QWEN,
    use_sliding_window=True,
    sliding_window=6,
    max_window_layers=2,
    tie_word_embeddings=False,
)
case(
    "qwen2-tied",
    "qwen2",
    [
        UNTIED,
        # transformers refuses it too, when it has read a text.
        marked(refused("layer_types", "windows that are switched off", layer_types=ALTERNATING), unread=True),
        # As the models that were published first say it.
        older(same("a window that is not used", sliding_window=5, max_window_layers=1, without=["layer_types"])),
    ],
    padded=16,
    **{**QWEN, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 1, "vocab_size": 96},
    use_sliding_window=False,
    sliding_window=5,
    max_window_layers=4,
    tie_word_embeddings=True,
)
case(
    "qwen3-tied",
    "qwen3",
    [
        *ROPES,
        EPSILON,
        GELU,
        MISH,
        UNTIED,
        variant("biases of attention", attention_bias=True),
        variant("narrow heads", head_dim=6),
        variant("head size where none is given", without=["head_dim"]),
        variant("a key-value head for each", num_key_value_heads=4),
        *HARMLESS,
        OLD_DTYPE,
    ],
    padded=3,
    **QWEN,
    head_dim=10,
    tie_word_embeddings=True,
)
case(
    "qwen3-windows",
    "qwen3",
    [*WINDOWS, variant("no biases", attention_bias=False)],
    **{**QWEN, "num_key_value_heads": 1},
    head_dim=8,
    attention_bias=True,
    use_sliding_window=True,
    sliding_window=6,
    max_window_layers=2,
    tie_word_embeddings=False,
)
