"""The config of a cut model: which fields refer to single layers, and how they are rewritten for those that stay.

Literal tables first, then the rewriting; and the families that cannot be cut exactly, which build.py refuses. A field
that a family does not have is skipped.
"""

from typing import Any

from transformers import PretrainedConfig

from prune_core.model.transformers_parts import copy_load_choices
from prune_core.schema.plan import Plan

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
"""Lists with one entry per layer, by position. If a family has a plain number instead, it stays."""

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
"""The number of layers; families that use another name declare it in their config's attribute_map."""

REFUSED_FAMILIES = {
    "albert": "its layers share one set of weights",
    "diffllama": "its attention subtracts with a weight that depends on a layer's position",
    "hrm_text": "it runs its layers several times in a fixed cycle",
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
"""(field, harmless values, why any other value makes an exact cut impossible)."""


def rewritten_config(config: PretrainedConfig, plan: Plan) -> PretrainedConfig:
    """A new config for the kept layers, as it will be read back from the saved checkpoint; `config` is not changed.

    In models with a nested `text_config`, that part is rewritten.
    """
    text = config.get_text_config(decoder=True)
    data = config.to_dict()
    _cut_fields(data if text is config else _part_of(config, text, data), text, plan)
    new = type(config).from_dict(data)
    new.name_or_path = config.name_or_path
    copy_load_choices(config, new)
    return new


def _part_of(config: PretrainedConfig, text: PretrainedConfig, data: dict[str, Any]) -> dict[str, Any]:
    """The part of `data` that holds the text model's config."""
    return next(data[name] for name in config.sub_configs if getattr(config, name, None) is text)


def _cut_fields(data: dict[str, Any], text: PretrainedConfig, plan: Plan) -> None:
    kept, layers = plan.kept, plan.num_layers
    new_number = {old: new for new, old in enumerate(kept)}
    _make_step_explicit(data, layers)
    for name in {*LAYER_COUNTS, text.attribute_map.get("num_hidden_layers", "num_hidden_layers")} & set(data):
        data[name] = len(kept)
    for name in _lists(data, ONE_PER_LAYER):
        if len(data[name]) == layers:
            data[name] = [data[name][old] for old in kept]
    for name in _lists(data, LAYER_NUMBERS):
        data[name] = [new_number[old] for old in data[name] if old in new_number]
    for name in _lists(data, LAYER_NUMBERS_FROM_1):
        data[name] = [new_number[old - 1] + 1 for old in data[name] if old - 1 in new_number]
    for name in BY_LAYER_NUMBER:
        if data.get(name):
            data[name] = {str(new_number[int(k)]): v for k, v in data[name].items() if int(k) in new_number}
    for name in FIRST_LAYERS:
        if isinstance(data.get(name), int) and data[name] < layers:
            data[name] = sum(old < data[name] for old in kept)
    _cut_expert_range(data, kept)
    _cut_attention_types(data)


def _lists(data: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return [name for name in names if isinstance(data.get(name), (list, tuple))]


def _make_step_explicit(data: dict[str, Any], layers: int) -> None:
    """`decoder_sparse_step` n > 1 (experts in every n-th layer) becomes a list of the layers without experts."""
    step = data.get("decoder_sparse_step")
    if isinstance(step, int) and step > 1:
        dense = {layer for layer in range(layers) if (layer + 1) % step} | set(data.get("mlp_only_layers") or [])
        data["decoder_sparse_step"], data["mlp_only_layers"] = 1, sorted(dense)


def _cut_expert_range(data: dict[str, Any], kept: tuple[int, ...]) -> None:
    """Experts in layers `moe_layer_start_index` to `moe_layer_end_index`, inclusive (ERNIE 4.5)."""
    if isinstance(data.get("moe_layer_start_index"), int) and isinstance(data.get("moe_layer_end_index"), int):
        first, last = data["moe_layer_start_index"], data["moe_layer_end_index"]
        data["moe_layer_start_index"] = sum(old < first for old in kept)
        data["moe_layer_end_index"] = sum(old <= last for old in kept) - 1


def _cut_attention_types(data: dict[str, Any]) -> None:
    """GPT-Neo stores its attention types a second time, as [[pattern, repeats]]; `attention_layers` is already cut."""
    if data.get("attention_types") and data.get("attention_layers"):
        data["attention_types"] = [[list(data["attention_layers"]), 1]]
