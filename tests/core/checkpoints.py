"""What the tests of building and exporting ask of a model: its logits, its text, that it reloads without a word."""

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from tests.core.tiny import WINDOW, tiny_ids

LENGTH = 3 * WINDOW  # beyond the window, where a wrong layer type shows


def padded_batch() -> dict[str, torch.Tensor]:
    """Three sequences of 24, 17 and 9 tokens, padded on the right."""
    mask = torch.ones(3, LENGTH, dtype=torch.int64)
    mask[1, 17:] = mask[2, 9:] = 0
    return {"input_ids": tiny_ids(3, LENGTH), "attention_mask": mask}


def logits(model: PreTrainedModel) -> torch.Tensor:
    """Float32 [N, V] at the N unmasked tokens of the padded batch."""
    batch = padded_batch()
    with torch.inference_mode():
        return model(**batch, use_cache=False).logits.float()[batch["attention_mask"].bool()]


def continuation(model: Any, use_cache: bool) -> list[int]:
    """Greedy token ids after a short prompt, to well beyond the window."""
    settings = {"do_sample": False, "max_new_tokens": 2 * WINDOW, "min_new_tokens": 2 * WINDOW, "pad_token_id": 0}
    return model.generate(tiny_ids(1, 4), use_cache=use_cache, **settings)[0].tolist()


def digest(model: PreTrainedModel) -> str:
    """A hash of everything in the model that could be changed by mistake."""
    state = hashlib.sha256(repr(model.config).encode())
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        state.update(name.encode() + tensor.float().numpy().tobytes())
    for module in model.modules():
        state.update(repr((getattr(module, "layer_idx", None), sorted(vars(module)))).encode())
    return state.hexdigest()


@contextmanager
def no_warnings() -> Iterator[None]:
    """Fails on any Python warning, and on any line that transformers logs at warning level or above."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())
    transformers_logging.add_handler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        transformers_logging.remove_handler(handler)
    assert lines == []


def reloaded(folder: Path) -> PreTrainedModel:
    """The checkpoint as a user loads it: no key missing, unexpected or of another shape, and not a word of warning."""
    with no_warnings():
        model, told = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(told.values()), told
    return model
