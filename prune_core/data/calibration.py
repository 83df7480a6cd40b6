"""Text becomes token batches: documents from a file, a hub dataset or the demo corpus, a seeded draw, right padding."""

from typing import Any

import numpy as np
import torch

from prune_core.data.batches import Batch, padded
from prune_core.data.documents import READERS, read_dataset, read_file
from prune_core.schema import demo
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, HeldOut
from prune_core.schema.paths import given_path, is_file, is_folder

MIN_TOKENS = 2
"""A shorter document has no next token to predict, and says nothing of how layers use context."""


def load_documents(source: str, subset: str | None = None, split: str = "train", column: str = "text") -> list[str]:
    """The documents of a text file, or of a dataset on the hub (or in a local folder), stripped, without empty ones.

    Raises UserError where the source is not there, cannot be read, lacks the column, or is empty.
    """
    return [text.strip() for text in _texts(source, subset, split, column) if text.strip()]


def _texts(source: str, subset: str | None, split: str, column: str) -> list[str]:
    """As `load_documents`, but as they are there."""
    path = given_path(source)
    if is_file(path):
        texts = read_file(path, column)
    elif path.suffix.lower() in READERS or path.is_absolute() or source.startswith((".", "~")):
        if not is_folder(path):
            raise UserError(f"There is no text file {source}: check the path.")
        texts = read_dataset(str(path), subset, split, column)
    else:
        texts = read_dataset(source, subset, split, column)
    if not any(text.strip() for text in texts):
        raise UserError(f"{source} is empty: give a file or dataset with text in it.")
    return texts


def heldout_documents(heldout: HeldOut) -> list[str]:
    """The documents that perplexity is measured on, in their order.

    Those to be joined are as they are there, empty ones too: published figures on WikiText-2 are of all its lines.
    """
    read = _texts if heldout.joined else load_documents
    if heldout.source == "demo":
        return read(str(demo.HELDOUT_TEXT), None, heldout.split, heldout.column)
    return read(heldout.source, heldout.subset, heldout.split, heldout.column)


def calibration_documents(calibration: Calibration) -> list[str]:
    """All documents that the calibration sequences are drawn from, in their order."""
    if calibration.source == "demo":
        return load_documents(str(demo.CALIBRATION_TEXT))
    return load_documents(calibration.source, calibration.subset, calibration.split, calibration.column)


def calibration_batches(calibration: Calibration, tokenizer: Any, batch_size: int) -> list[Batch]:
    """`samples` documents drawn without replacement, tokenised with the usual special tokens and cut to `seq_len`.

    Documents of fewer than 2 tokens are passed over; where there are fewer documents than asked for, all are used. The
    sequences and their order depend on the text, tokenizer and seed only, never on `batch_size`.
    """
    if calibration.samples < 1 or calibration.seq_len < MIN_TOKENS:
        raise UserError(
            f"{calibration.samples} samples of {calibration.seq_len} tokens are too few: take at least 1 sample of 2."
        )
    documents = calibration_documents(calibration)
    sequences = _draw(documents, calibration, tokenizer)
    if not sequences:
        raise UserError(
            f"The calibration text is too short: none of its {len(documents)} documents has {MIN_TOKENS} tokens; "
            "add longer text."
        )
    fill = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
    return [
        padded([torch.tensor(ids) for ids in sequences[i : i + batch_size]], fill)
        for i in range(0, len(sequences), batch_size)
    ]


def _draw(documents: list[str], calibration: Calibration, tokenizer: Any) -> list[list[int]]:
    """Token ids of the drawn documents, in the order of the draw."""
    order = np.random.default_rng(calibration.seed).permutation(len(documents))
    sequences: list[list[int]] = []
    for begin in range(0, len(order), calibration.samples):
        texts = [documents[k] for k in order[begin : begin + calibration.samples]]
        found = tokenizer(texts, truncation=True, max_length=calibration.seq_len)["input_ids"]
        sequences += [ids for ids in found if len(ids) >= MIN_TOKENS]
        if len(sequences) >= calibration.samples:
            break
    return sequences[: calibration.samples]
