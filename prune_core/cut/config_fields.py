"""Which config fields of transformers models speak of single layers, and which families cannot be cut exactly.

Literal tables, read by build.py. A field that a family does not have is passed over.
"""

ONE_PER_LAYER = (
    "layer_types",
    "layers_block_type",
    "mlp_layer_types",
    "no_rope_layers",
    "layer_rope_theta",
    "indexer_types",
    "intermediate_size",
    "activation_sparsity_pattern",
    "num_attention_heads_per_layer",
    "num_key_value_heads_per_layer",
    "swiglu_limits",
    "swiglu_limits_shared",
    "moe_topk",
    "attention_window",
    "attention_layers",
    "attn_layers",
    "sliding_windows",
    "layers_num_experts",
)
"""Lists with one entry a layer, by position. Where a family has a plain number instead, it stays."""

LAYER_NUMBERS = (
    "mlp_only_layers",
    "moe_layers",
    "attn_layer_indices",
    "full_attn_idxs",
    "cross_attention_layers",
    "local_layer_ids",
    "rope_scaling_layers",
    "kv_source_layers",
)
"""Lists of layer numbers, counted from 0."""

LAYER_NUMBERS_FROM_1 = ("ple_layer_ids",)
"""Lists of layer numbers, counted from 1."""

BY_LAYER_NUMBER = ("per_layer_config",)
"""Mappings from a layer's number (counted from 0; a string in JSON) to that layer's settings."""

FIRST_LAYERS = ("first_k_dense_replace", "num_dense_layers", "max_window_layers")
"""Numbers k that mean "the first k layers"."""

LAYER_COUNTS = ("num_hidden_layers", "num_blocks")
"""The number of layers; families that name it otherwise tell so in their config's attribute_map."""

REFUSED_FAMILIES = {
    "albert": "its layers share one set of weights",
    "diffllama": "its attention subtracts with a weight that depends on a layer's position",
    "hrm_text": "it runs its layers several times over in a fixed cycle",
    "inkling_text": "its layers read earlier layers at fixed positions",
    "inkling2_text": "its layers read earlier layers at fixed positions",
    "jamba": "which layers are attention, Mamba or experts follows from a fixed period",
    "longcat_flash": "each of its layers counts as two in its cache",
    "minicpm3": "its residual scale depends on the number of layers",
    "recurrent_gemma": "which layers are attention follows from a fixed period",
    "rwkv": "it rescales its weights by a layer's position",
    "zamba": "it repeats shared attention layers in a fixed period",
    "zamba2": "it repeats shared attention layers in a fixed period",
}
"""model_type -> why removing one of its layers changes what the others compute."""

REFUSED_SETTINGS = (
    ("is_encoder_decoder", (False, None), "encoder-decoder models, T5 among them, hold parts of the model in block 0"),
    ("decoder_layers", (None,), "it is one half of an encoder-decoder family"),
    ("quantization_config", (None,), "its weights are quantised: load the unquantised model"),
    ("scale_attn_by_inverse_layer_idx", (False, None), "its attention is scaled by a layer's position"),
    ("num_kv_shared_layers", (0, None), "its last layers use keys and values of earlier layers"),
    ("hidden_size_per_layer_input", (0, None), "its embedding holds a part for every layer"),
    ("moe_layer_interval", (1, None), "which layers hold experts follows from a fixed period"),
)
"""(field, values that do no harm, why any other value makes an exact cut impossible)."""
