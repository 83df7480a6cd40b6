"""Calibration text becomes padded batches of drawn sequences (sequences.py)."""

from typing import Any

import torch

from prune_core.data.batches import Batch, padded
from prune_core.data.documents import calibration_documents, heldout_documents, load_documents
from prune_core.data.layouts import Draw, draw
from prune_core.data.special_tokens import spelled
from prune_core.schema.drawn import Drawn
from prune_core.schema.inputs import Calibration

__all__ = ["calibration_batches", "calibration_documents", "heldout_documents", "load_documents", "what_is_drawn"]


def calibration_batches(calibration: Calibration, tokenizer: Any, batch_size: int) -> list[Batch]:
    """The drawn sequences, `batch_size` at a time, in the order of the draw, which does not depend on `batch_size`."""
    sequences = draw(calibration, tokenizer).sequences
    fill = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
    return [
        padded([torch.tensor(ids) for ids in sequences[i : i + batch_size]], fill)
        for i in range(0, len(sequences), batch_size)
    ]


def what_is_drawn(calibration: Calibration, tokenizer: Any) -> Drawn:
    """How much the text gives with this tokenizer, what that was drawn from, and the marks around each sequence."""
    found = draw(calibration, tokenizer)
    tokens = sum(map(len, found.sequences))
    return Drawn(len(found.sequences), tokens, found.origin, _marks_in_words(calibration, tokenizer, found))


def _marks_in_words(calibration: Calibration, tokenizer: Any, found: Draw) -> str:
    begins, ends = (spelled(tokenizer, ids) for ids in (found.marks.begins, found.marks.ends))
    if calibration.chat and calibration.laid_out == "documents":
        return "Each sequence is laid out by the tokenizer's chat template, its special tokens included."
    first = f"Each sequence begins with {begins}, as the tokenizer has it" if begins else ""
    if not ends:
        return f"{first}." if first else "The tokenizer puts no mark before or after a sequence."
    if calibration.laid_out == "documents":
        last = f"ends with {ends}"
        return f"{first}, and {last}." if first else f"Each sequence {last}, as the tokenizer has it."
    left_out = f"The tokenizer's {ends} is left out at the end, since text goes on there."
    return f"{first}. {left_out}" if first else left_out
