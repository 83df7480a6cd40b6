"""Where each model family keeps its embedding, layers, final norm and head, and the output matrices in a layer."""

from dataclasses import dataclass
from operator import attrgetter

from torch import nn
from transformers import PreTrainedModel

from prune_core.schema.errors import UserError

LAYER_PATHS: tuple[str, ...] = (
    "model.layers",  # Llama, Mistral, Qwen, Gemma, Phi, OLMo, DeepSeek and most others
    "model.language_model.layers",  # the language model inside Gemma 3, Llama 4 and other vision-language models
    "model.decoder.layers",  # OPT
    "transformer.h",  # GPT-2, GPT-Neo, GPT-J, BLOOM, Falcon
    "gpt_neox.layers",  # GPT-NeoX, Pythia
    "transformer.blocks",  # MPT, DBRX
    "backbone.layers",  # Mamba
    "rwkv.blocks",  # RWKV
    "biogpt.layers",  # BioGPT
)
NORM_NAMES: tuple[str, ...] = (
    "norm", "final_layernorm", "final_layer_norm", "final_norm", "norm_f", "ln_f", "ln_out", "layer_norm",
    "embedding_norm",
)  # fmt: skip
MLP_OUT = (
    "mlp.down_proj",  # Llama, Mistral, Qwen, Gemma, Phi-3, OLMo and most others
    "mlp.dense_4h_to_h",  # GPT-NeoX, Falcon, BLOOM
    "mlp.c_proj",  # GPT-2, GPT-Neo, StarCoder 2
    "mlp.fc2",  # Phi-1, Phi-2
    "mlp.fc_out",  # GPT-J
    "feed_forward.down_proj",  # Llama 4
    "feed_forward.w2",  # LFM2
    "ffn.down_proj",  # MPT
    "fc2",  # OPT
)
EXPERTS_OUT = (
    "mlp.experts", "mlp.shared_expert.down_proj", "mlp.shared_experts.down_proj",
    "feed_forward.experts", "feed_forward.shared_expert.down_proj",
)  # fmt: skip
"""Mixtures of experts: all of these write to the hidden state."""

ATTENTION_OUT = (
    "self_attn.o_proj",
    "self_attn.out_proj",  # OPT
    "self_attn.dense",  # Phi-1, Phi-2
    "linear_attn.out_proj",  # Qwen3-Next
    "attn.c_proj",  # GPT-2
    "attn.out_proj",  # GPT-J, MPT
    "attn.attention.out_proj",  # GPT-Neo
    "attention.dense",  # GPT-NeoX
    "self_attention.dense",  # Falcon, BLOOM
)


@dataclass(frozen=True)
class LayerStack:
    """The parts of a causal LM. `path` names the list of layers ("model.layers"); `norm` may be None."""

    embedding: nn.Module
    layers: nn.ModuleList
    norm: nn.Module | None
    head: nn.Module
    path: str


def find_stack(model: PreTrainedModel) -> LayerStack:
    """The layer stack of `model`; UserError if it is not known where the family keeps its layers."""
    family = model.config.model_type
    for path in LAYER_PATHS:
        layers = _at(model, path)
        if isinstance(layers, nn.ModuleList):
            break
    else:
        raise UserError(f"The family {family!r} is not supported: its layers were not found; choose another model.")
    expected = model.config.get_text_config().num_hidden_layers
    if len(layers) != expected:
        raise UserError(
            f"The family {family!r} is not supported: {path} has {len(layers)} layers but its config says {expected}."
        )
    parent = _at(model, path.rpartition(".")[0])
    norm = next((found for name in NORM_NAMES if isinstance(found := getattr(parent, name, None), nn.Module)), None)
    head = model.get_output_embeddings()
    if head is None:
        raise UserError(f"The family {family!r} is not supported: {type(model).__name__} has no language model head.")
    return LayerStack(model.get_input_embeddings(), layers, norm, head, path)


def _at(model: nn.Module, path: str) -> object:
    try:
        return attrgetter(path)(model)
    except AttributeError:
        return None


def submodule(layer: nn.Module, names: tuple[str, ...]) -> tuple[str, nn.Module] | None:
    """The first of `names` that this layer has, with its path."""
    modules = dict(layer.named_modules())
    return next(((name, modules[name]) for name in names if name in modules), None)
