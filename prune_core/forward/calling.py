"""Facts about calling a causal language model that every evaluation needs."""

import inspect
from typing import Any

import torch
from transformers import PreTrainedModel

from prune_core.model.context import context_limit
from prune_core.schema.errors import UserError


def require_context(model: PreTrainedModel, tokens: int, what: str, remedy: str) -> None:
    """UserError unless a sequence of `tokens` tokens fits. `what` begins the sentence, `remedy` ends it."""
    limit = context_limit(model.config)
    if limit is not None and tokens > limit:
        raise UserError(f"{what} {tokens:,} tokens, more than this model's context of {limit:,}: {remedy}.")


def tail_logits(model: PreTrainedModel, ids: torch.Tensor, keep: int, **inputs: Any) -> tuple[torch.Tensor, Any]:
    """Logits of the last `keep` positions, [B, keep, V] in the model's dtype, and the KV cache (None unless asked for).

    ids: [B, T] token ids. If the family supports it, only these positions go through the head: [B, T, V] never exists.
    """
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        inputs["logits_to_keep"] = keep
    output = model(input_ids=ids, return_dict=True, **inputs)
    return output.logits[:, -keep:], getattr(output, "past_key_values", None)


def synchronise(model: PreTrainedModel) -> None:
    """Wait until the model's device has finished all work, so that a clock can be read. Nothing to do on the CPU."""
    if model.device.type != "cpu":
        torch.accelerator.synchronize()


def where(model: PreTrainedModel) -> str:
    """ "bfloat16 on NVIDIA H100" or "float32 on cpu, 2 threads": what a measurement has to state."""
    dtype = str(model.dtype).removeprefix("torch.")
    if model.device.type == "cuda":
        return f"{dtype} on {torch.cuda.get_device_name(model.device)}"
    count = torch.get_num_threads()
    threads = f", {count} thread{'s' if count > 1 else ''}" if model.device.type == "cpu" else ""
    return f"{dtype} on {model.device.type}{threads}"
