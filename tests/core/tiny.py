"""Tiny random models of many families, and a character tokenizer, made in memory for tests.

Windows are 8 tokens, so any text longer than that shows a wrong mask or `layer_types`. Every parameter, biases and
norms too, is moved away from its default, so that a tensor put in the wrong place changes the logits.
"""

import string
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from prune_core.model import LoadedModel, find_stack
from prune_core.types import ModelInfo, ModelRef

VOCAB = 128
HIDDEN = 32
WINDOW = 8
CONTEXT = 256

_HEADS = {"num_attention_heads": 4}
_LLAMA_LIKE = {**_HEADS, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64}


def _every(n: int, layers: int) -> list[str]:
    """Layer types with full attention at every n-th layer and a sliding window at the others."""
    return ["full_attention" if (layer + 1) % n == 0 else "sliding_attention" for layer in range(layers)]


def _family_settings(family: str, layers: int) -> dict:
    """The config fields that differ from family to family."""
    sliding = {"sliding_window": WINDOW}
    qwen = {**_LLAMA_LIKE, **sliding, "use_sliding_window": True, "max_window_layers": 2}
    falcon = {**_HEADS, "multi_query": True, "parallel_attn": True, "bias": False}
    return {
        "llama": _LLAMA_LIKE,
        "mistral": {**_LLAMA_LIKE, **sliding},
        "qwen2": {**qwen, "layer_types": ["full_attention"] * min(2, layers) + _every(3, max(0, layers - 2))},
        "qwen3": {**qwen, "layer_types": _every(2, layers)},
        "gemma2": {**_LLAMA_LIKE, **sliding, "query_pre_attn_scalar": 8, "layer_types": _every(2, layers)},
        "gemma3_text": {**_LLAMA_LIKE, **sliding, "query_pre_attn_scalar": 8, "layer_types": _every(3, layers)},
        "phi3": {**_HEADS, "num_key_value_heads": 2, "intermediate_size": 64, **sliding},
        "opt": {**_HEADS, "ffn_dim": 64, "word_embed_proj_dim": HIDDEN},
        "gpt2": {**_HEADS, "n_inner": 64},
        "gpt_neox": {**_HEADS, "intermediate_size": 64},
        "falcon": falcon,
        "bloom": _HEADS,
        "qwen3_moe": {
            **qwen,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [1] if layers > 1 else [],
        },
    }[family]


FAMILIES = (
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3_text",
    "phi3",
    "opt",
    "gpt2",
    "gpt_neox",
    "falcon",
    "bloom",
    "qwen3_moe",
)


def tiny_config(family: str, layers: int = 6, **changes: object) -> PretrainedConfig:
    """The config of a tiny model of `family`, one of FAMILIES; `changes` override its fields."""
    shared = {
        "vocab_size": VOCAB,
        "hidden_size": HIDDEN,
        "num_hidden_layers": layers,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0 if family == "opt" else None,
    }
    return AutoConfig.for_model(family, **{**shared, **_family_settings(family, layers), **changes})


def tiny_model(family: str, layers: int = 6, seed: int = 0, **changes: object) -> PreTrainedModel:
    """A random float32 model of `family` in eval mode: hidden size 32, vocabulary 128, the same for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(tiny_config(family, layers, **changes), dtype=torch.float32)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval().requires_grad_(False)


def tiny_loaded(family: str, layers: int = 6, seed: int = 0) -> LoadedModel:
    """`tiny_model` as `load` would give it, but for files on a disk."""
    model, ref = tiny_model(family, layers, seed), ModelRef(f"tiny-{family}")
    info = ModelInfo(
        ref=ref,
        family=family,
        num_layers=layers,
        hidden_size=HIDDEN,
        vocab_size=VOCAB,
        context_length=CONTEXT,
        parameters=model.num_parameters(),
        weight_bytes=4 * model.num_parameters(),
        stored_dtype="float32",
        dtype="float32",
        device="cpu",
        free_bytes=2**40,
    )
    return LoadedModel(ref, model, tiny_tokenizer(), find_stack(model), info, Path("nowhere"))


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character of printable ASCII, <s> (id 1) before each text, </s> is 2, and no pad token."""
    vocabulary = ["<unk>", "<s>", "</s>", *sorted(set(string.printable))]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", model_max_length=CONTEXT
    )


def tiny_ids(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    """Random token ids [batch, length], int64, none of them special."""
    return torch.randint(3, VOCAB, (batch, length), generator=torch.Generator().manual_seed(seed))
