"""GPT-2, GPT-NeoX and OPT."""

from describe import (
    LAYER_NORM_EPSILON,
    MISH,
    OLD_DTYPE,
    RELU,
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
    variant,
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
        UNTIED,
        same("scores in float32", reorder_and_upcast_attn=True),
        refused("activation_function", "another activation", activation_function="mish"),
        refused("add_cross_attention", "cross-attention", add_cross_attention=True),
        same(
            "what training and serving alone use",
            use_cache=False,
            attn_pdrop=0.5,
            embd_pdrop=0.5,
            resid_pdrop=0.5,
            initializer_range=0.5,
            n_ctx=64,
        ),
        older(
            same(
                "what was not always written",
                without=[
                    "tie_word_embeddings",
                    "n_inner",
                    "scale_attn_weights",
                    "scale_attn_by_inverse_layer_idx",
                    "reorder_and_upcast_attn",
                    "add_cross_attention",
                ],
            )
        ),
        OLD_DTYPE,
    ],
    padded=4,
    **GPT2,
)
case(
    "gpt2-by-layer",
    "gpt2",
    [
        variant("scores alike", scale_attn_by_inverse_layer_idx=False),
        variant("inner size where none is given", n_inner=None),
        variant("heads where none are given", without=["n_head"]),
    ],
    **{**GPT2, "n_embd": 36, "n_head": 3},
    n_inner=57,
    scale_attn_by_inverse_layer_idx=True,
    activation_function="gelu",
)
case(
    "gpt2-unscaled",
    "gpt2",
    [variant("scores scaled", scale_attn_weights=True), TIED],
    **GPT2,
    scale_attn_weights=False,
    activation_function="relu",
    tie_word_embeddings=False,
)

NEOX = dict(
    **{**SMALL, "hidden_size": 48, "num_attention_heads": 3, "intermediate_size": 61},
    layer_norm_eps=0.02,
    rotary_emb_base=400,
)
del NEOX["num_key_value_heads"]


def neox_rope(rope_type="default", **entries):
    return rope(rope_type, **{**dict(rope_theta=400, partial_rotary_factor=0.25), **entries})


case(
    "gpt_neox-parallel",
    "gpt_neox",
    [
        variant("one after the other", use_parallel_residual=False),
        variant("base of the angles", **neox_rope(rope_theta=20)),
        variant("half of a head turned", **neox_rope(partial_rotary_factor=0.5)),
        variant("all of a head turned", **neox_rope(partial_rotary_factor=1.0)),
        refused("partial_rotary_factor", "an odd share of a head turned", **neox_rope(partial_rotary_factor=0.2)),
        variant("linear angles", **neox_rope("linear", factor=3.0)),
        LAYER_NORM_EPSILON,
        marked(variant("gelu_new", hidden_act="gelu_new"), at_least=1e-3),
        marked(variant("gelu_fast", hidden_act="gelu_fast"), at_least=1e-3),
        RELU,
        MISH,
        variant("no biases of attention", attention_bias=False),
        variant("more heads", num_attention_heads=6),
        TIED,
        *refused_ropes(partial_rotary_factor=0.25),
        same("what training and serving alone use", use_cache=False, attention_dropout=0.5, hidden_dropout=0.5),
        same("what was not always written", without=["use_parallel_residual", "attention_bias"]),
        older(variant("linear angles", rope_scaling=dict(type="linear", factor=3.0))),
        older(variant("base of the angles", rotary_emb_base=20, without=["rope_theta"])),
        # As transformers 5 has it.
        older(variant("base where rope_theta alone says it", without=["rotary_emb_base"])),
        older(refused("rotary_pct", "an odd share of a head turned", rotary_pct=0.2, without=["partial_rotary_factor"])),
        older(variant("half of a head turned", rotary_pct=0.5, without=["partial_rotary_factor"])),
        older(same("share that is turned where none is given", without=["rotary_pct", "partial_rotary_factor"])),
        OLD_DTYPE,
    ],
    padded=9,
    **NEOX,
    rotary_pct=0.25,
    use_parallel_residual=True,
    tie_word_embeddings=False,
)
case(
    "gpt_neox-sequential",
    "gpt_neox",
    [
        variant("side by side", use_parallel_residual=True),
        variant("side by side where nothing is said", without=["use_parallel_residual"]),
        variant("biases of attention", attention_bias=True),
        variant("biases of attention where nothing is said", without=["attention_bias"]),
        marked(variant("activation where none is given", without=["hidden_act"]), at_least=1e-3),
    ],
    **{**NEOX, "vocab_size": 67},
    rotary_pct=1.0,
    use_parallel_residual=False,
    attention_bias=False,
    hidden_act="gelu_new",
    tie_word_embeddings=False,
)

OPT = dict(
    vocab_size=83,
    hidden_size=32,
    word_embed_proj_dim=32,
    ffn_dim=53,
    num_hidden_layers=3,
    num_attention_heads=4,
    max_position_embeddings=64,
    dropout=0.0,
    pad_token_id=80,
    bos_token_id=2,
    eos_token_id=2,
)
case(
    "opt-plain",
    "opt",
    [
        variant("gelu", activation_function="gelu"),
        variant("more heads", num_attention_heads=8),
        variant("no biases", enable_bias=False),
        UNTIED,
        refused("_remove_final_layer_norm", "no last norm", _remove_final_layer_norm=True),
        refused("layer_norm_elementwise_affine", "norms without weights", layer_norm_elementwise_affine=False),
        refused("activation_function", "another activation", activation_function="mish"),
        refused("do_layer_norm_before", "norms after each part", do_layer_norm_before=False),
        refused("word_embed_proj_dim", "narrow embeddings", word_embed_proj_dim=16),
        same("size of the embeddings where none is given", without=["word_embed_proj_dim"]),
        same("what training and serving alone use", use_cache=False, attention_dropout=0.5, dropout=0.5, init_std=0.5),
        older(
            same(
                "what was not always written",
                without=["_remove_final_layer_norm", "enable_bias", "layer_norm_elementwise_affine"],
            )
        ),
        OLD_DTYPE,
    ],
    padded=6,
    **OPT,
)
case(
    "opt-unbiased",
    "opt",
    [
        variant("biases", enable_bias=True),
        variant("biases where nothing is said", without=["enable_bias"]),
        variant("relu", activation_function="relu"),
        variant("activation where none is given", without=["activation_function"]),
        variant("heads where none are given", without=["num_attention_heads"]),
        TIED,
        variant("tied where nothing is said", without=["tie_word_embeddings"]),
    ],
    padded=3,
    **{**OPT, "hidden_size": 36, "word_embed_proj_dim": 36, "num_attention_heads": 3},
    enable_bias=False,
    activation_function="gelu",
    tie_word_embeddings=False,
)
