"""Calibration text for fitting: part of it is held back for validation, the rest drawn in a seeded order."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from prune_core.data.batches import Batch, padded, sequences
from prune_core.schema.errors import UserError
from prune_core.schema.fit import Fit
from prune_core.schema.wording import counted


def split(batches: Sequence[Batch], fit: Fit) -> tuple[list[Tensor], list[Batch]]:
    """Single sequences to fit on, and held-back ones in batches; the split depends only on `fit.seed`."""
    rows = sequences(batches)
    count = max(1, round(fit.held_back * len(rows)))
    if count >= len(rows):
        raise UserError(f"{counted(len(rows), 'calibration text')} cannot be split for validation: use at least 2.")
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(fit.seed)).tolist()
    return [rows[n] for n in order[count:]], in_batches([rows[n] for n in order[:count]], fit.batch)


def drawn(taught: list[Tensor], fit: Fit) -> Iterator[Batch]:
    """Endless batches: all sequences, in a new order each epoch."""
    generator = torch.Generator().manual_seed(fit.seed + 1)
    waiting: list[Tensor] = []
    while True:
        while len(waiting) < fit.batch:
            waiting += [taught[n] for n in torch.randperm(len(taught), generator=generator).tolist()]
        yield padded(waiting[: fit.batch])
        del waiting[: fit.batch]


def in_batches(texts: list[Tensor], size: int) -> list[Batch]:
    """The sequences in order, `size` at a time."""
    return [padded(texts[n : n + size]) for n in range(0, len(texts), size)]
