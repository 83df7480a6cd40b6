"""Calibration text for fitting: part of it is held back, the rest drawn in a seeded order."""

from collections.abc import Iterator, Sequence

import torch

from prune_core.capture import Batch
from prune_core.fitting import Fit
from prune_core.types import UserError
from prune_core.wording import counted


def split(batches: Sequence[Batch], fit: Fit) -> tuple[list[Batch], list[Batch]]:
    """Single sequences to fit on, and held-back ones in batches; which is which depends on `fit.seed` only."""
    rows = [
        Batch(b.input_ids[n : n + 1], b.attention_mask[n : n + 1]) for b in batches for n in range(len(b.input_ids))
    ]
    count = max(1, round(fit.held_back * len(rows)))
    if count >= len(rows):
        raise UserError(f"{counted(len(rows), 'calibration text')} cannot be split to hold any back: use at least 2.")
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(fit.seed)).tolist()
    return [rows[n] for n in order[count:]], in_batches([rows[n] for n in order[:count]], fit.batch)


def drawn(sequences: list[Batch], fit: Fit) -> Iterator[Batch]:
    """Batches without end: all sequences in a new order each time round."""
    generator = torch.Generator().manual_seed(fit.seed + 1)
    waiting: list[Batch] = []
    while True:
        while len(waiting) < fit.batch:
            waiting += [sequences[n] for n in torch.randperm(len(sequences), generator=generator).tolist()]
        yield joined(waiting[: fit.batch])
        del waiting[: fit.batch]


def in_batches(sequences: list[Batch], size: int) -> list[Batch]:
    """The sequences in their order, `size` at a time."""
    return [joined(sequences[n : n + size]) for n in range(0, len(sequences), size)]


def joined(sequences: list[Batch]) -> Batch:
    """One batch of single sequences, padded on the right to the longest."""
    lengths = [int(row.attention_mask.sum()) for row in sequences]
    ids = torch.zeros(len(sequences), max(lengths), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for place, (row, length) in enumerate(zip(sequences, lengths, strict=True)):
        ids[place, :length] = row.input_ids[0, :length]
        mask[place, :length] = 1
    return Batch(ids, mask)
