"""Load a causal LM: first from metadata, what it is and whether it fits; then weights, tokenizer and layer stack."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel

from prune_core.model import checkpoint
from prune_core.model.checkpoint import Metadata, resolve
from prune_core.model.context import context_limit
from prune_core.model.device import HEADROOM, choose_device, choose_dtype, free_bytes
from prune_core.model.stack import LayerStack, find_stack
from prune_core.model.transformers_parts import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    weights_ticking,
)
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import ModelInfo, ModelRef
from prune_core.schema.progress import Progress, Silent

__all__ = ["LayerStack", "LoadedModel", "find_stack", "inspect", "load", "resolve", "room_for"]

NO_LIMIT = 2**20
"""Context length of families that set none (ALiBi, recurrent ones)."""


@dataclass(frozen=True)
class LoadedModel:
    """A causal LM in eval mode, without gradients, with its tokenizer. `folder` holds its files."""

    ref: ModelRef
    model: PreTrainedModel
    tokenizer: Any  # PreTrainedTokenizerBase; transformers types its methods too loosely to be useful
    stack: LayerStack
    info: ModelInfo
    folder: Path


def inspect(ref: ModelRef) -> ModelInfo:
    """What `ref` is, where and in which dtype it would be loaded, and its size, from metadata only.

    The family's modules are created without memory (torch's meta device), so that an unsupported one is refused now
    and tied weights count once. Raises UserError for everything that would stop `load`, except insufficient memory.
    """
    found = checkpoint.metadata(ref)
    config = _causal_config(ref, found)
    outline = None if _is_custom(config) else _outline(config)
    parameters = found.parameters if outline is None else outline.num_parameters()
    return _info(ref, config, parameters, found.stored_dtype)


def read_config(ref: ModelRef) -> PretrainedConfig:
    """The model's config, without reading any weights."""
    return _causal_config(ref, checkpoint.metadata(ref))


def room_for(info: ModelInfo) -> bool:
    """Whether the weights plus a fifth fit in the device's free memory, as it was when `info` was made."""
    return info.weight_bytes * HEADROOM <= info.free_bytes


def load(ref: ModelRef, progress: Progress | None = None) -> LoadedModel:
    """Load `ref`. Weights are read from safetensors only, and every one must be there.

    Raises UserError for what a user can fix: a wrong id, no network, not a causal LM, an unsupported family, too
    little memory, damaged files, untrusted custom code, no tokenizer.
    """
    progress = progress or Silent()
    progress.stage("reading the model's metadata", 1)
    info = inspect(ref)
    if not room_for(info):
        raise UserError(
            f"{ref.path} does not fit: its weights take {_gib(info.weight_bytes)} in {info.dtype} and {info.device} "
            f"has {_gib(info.free_bytes)} free; choose a smaller model, a smaller dtype or another device."
        )
    progress.advance()
    folder = checkpoint.fetch(ref, progress)
    model = _load_weights(folder, info, progress)
    progress.stage("reading the tokenizer", 1)
    tokenizer = _load_tokenizer(folder, ref)
    progress.advance()
    info = _info(ref, model.config, model.num_parameters(), info.stored_dtype)
    return LoadedModel(ref, model, tokenizer, find_stack(model), info, folder)


def load_tokenizer(ref: ModelRef, progress: Progress | None = None) -> Any:
    """The tokenizer of `ref` alone, without its weights. Raises UserError as `load` does."""
    (progress or Silent()).stage("reading the tokenizer", 1)
    return _load_tokenizer(checkpoint.fetch_tokenizer(ref, progress or Silent()), ref)


# --- metadata --------------------------------------------------------------------------------------------------------


def _causal_config(ref: ModelRef, found: Metadata) -> PretrainedConfig:
    """The config as its own class, once it is certain that it is a causal LM that may be loaded."""
    family = found.config.get("model_type")
    custom = "auto_map" in found.config and family not in CONFIG_MAPPING
    if "quantization_config" in found.config:
        raise UserError(f"{ref.path} is quantised: choose the unquantised checkpoint, whose layers can be rebuilt.")
    if custom and not ref.trust_remote_code:
        raise UserError(
            f"{ref.path} needs its own code to load: select 'Run the model's own code' only if you trust its author."
        )
    if not custom and family not in CONFIG_MAPPING:
        known = f"transformers {transformers.__version__}"
        raise UserError(f"{ref.path} has model type {family!r}, unknown to {known}: choose another model.")
    try:
        source = checkpoint.local_folder(ref) or ref.path
        config = AutoConfig.from_pretrained(source, revision=ref.revision, trust_remote_code=ref.trust_remote_code)
    except (StrictDataclassError, ValueError, TypeError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"The config.json of {ref.path} is not valid ({reason}): download it again.") from error
    if not _is_causal(config, found.config):
        named = ", ".join(found.config.get("architectures") or [family or "nothing"])
        raise UserError(f"{ref.path} is not a causal language model ({named}): choose one that generates text.")
    return config


def _is_custom(config: PretrainedConfig) -> bool:
    return type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING


def _is_causal(config: PretrainedConfig, raw: dict[str, Any]) -> bool:
    """Whether the checkpoint was saved as the class that AutoModelForCausalLM would give it.

    The mapping alone is not enough: it has a causal class for BERT and BART, with weights that such checkpoints lack.
    """
    if _is_custom(config):
        return "AutoModelForCausalLM" in (raw.get("auto_map") or {})
    mapped = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]
    saved = raw.get("architectures") or []
    return not saved or any(name == mapped or name.endswith(("ForCausalLM", "LMHeadModel")) for name in saved)


def _outline(config: PretrainedConfig) -> PreTrainedModel:
    """The model without memory for its weights; UserError if its layers cannot be found."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    find_stack(model)
    return model


def _info(ref: ModelRef, config: PretrainedConfig, parameters: int, stored_dtype: str) -> ModelInfo:
    device = choose_device(ref.device)
    dtype = choose_dtype(ref.dtype, stored_dtype, device)
    text = config.get_text_config()
    return ModelInfo(
        ref=ref,
        family=config.model_type,
        num_layers=text.num_hidden_layers,
        hidden_size=text.hidden_size,
        vocab_size=text.vocab_size,
        context_length=context_limit(config) or NO_LIMIT,
        parameters=parameters,
        weight_bytes=parameters * getattr(torch, dtype).itemsize,
        stored_dtype=stored_dtype,
        dtype=dtype,
        device=device,
        free_bytes=free_bytes(device),
    )


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


# --- weights and tokenizer -------------------------------------------------------------------------------------------


def _load_weights(folder: Path, info: ModelInfo, progress: Progress) -> PreTrainedModel:
    placed = {} if info.device == "cpu" else {"device_map": {"": info.device}}
    checkpoint.metadata(ModelRef(str(folder)))  # checks that the download is complete
    try:
        with weights_ticking(progress):
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, info.dtype),
                use_safetensors=True,
                output_loading_info=True,
                trust_remote_code=info.ref.trust_remote_code,
                **placed,
            )
    except torch.OutOfMemoryError as error:
        raise UserError(f"{info.ref.path} does not fit on {info.device}: choose a smaller model or dtype.") from error
    except RuntimeError as error:  # this is how transformers reports tensors of the wrong shape
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"The weights of {info.ref.path} do not match its config.json ({reason}).") from error
    model, report = loaded  # output_loading_info makes it a pair
    missing = sorted(report["missing_keys"])
    if missing:  # transformers would fill them with random numbers
        raise UserError(
            f"The weights of {info.ref.path} lack {len(missing)} tensors, the first {missing[0]}: download it again."
        )
    return model.eval().requires_grad_(False)


def _load_tokenizer(folder: Path, ref: ModelRef) -> Any:
    if not checkpoint.has_tokenizer(folder):
        raise UserError(f"{ref.path} has no tokenizer: put its tokenizer.json next to config.json.")
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=ref.trust_remote_code)
    except (ValueError, OSError, KeyError, TypeError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"The tokenizer of {ref.path} cannot be read ({reason}): download it again.") from error
