"""Sequences of tokens in padded batches: padding and bucketing by length, for every pass of the house.

Padding is on the right, and nothing ever looks at it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """B sequences. `input_ids`, `attention_mask`: int64 [B, T]; the mask is 1 at tokens, 0 at the padding on the
    right."""

    input_ids: Tensor
    attention_mask: Tensor


def padded(sequences: Sequence[Tensor], fill: int = 0) -> Batch:
    """One batch [B, T] of sequences int64 [T_i]. Which token fills the padding does not matter."""
    ids = nn.utils.rnn.pad_sequence(list(sequences), batch_first=True, padding_value=fill)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(sequence) for sequence in sequences], batch_first=True)
    return Batch(ids, mask)


def sequences(batches: Sequence[Batch]) -> list[Tensor]:
    """Every sequence by itself, int64 [T_i], in the given order and without its padding."""
    return [
        ids[: int(mask.sum())]
        for batch in batches
        for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True)
    ]


def shortest_first(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Places of like length together, the shortest first: each group has at most `most` tokens with its padding, or is
    one sequence."""
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if not groups or (len(groups[-1]) + 1) * lengths[place] > most:
            groups.append([])
        groups[-1].append(place)
    return groups


def longest_first(sizes: Sequence[Any], count: Callable[[int], int]) -> Iterator[list[int]]:
    """Places of like size together, the largest first; a group is as many as `count(place of its largest)`, at least 1.

    sizes: lengths, or tuples that begin with one. Places of the same size keep their order.
    """
    order = sorted(range(len(sizes)), key=lambda place: sizes[place], reverse=True)
    while order:
        size = max(1, count(order[0]))
        yield order[:size]
        order = order[size:]


def by_length(batches: Sequence[Batch]) -> Iterator[tuple[list[int], Batch]]:
    """The same sequences in batches of like length, none bigger than the biggest given: little padding is computed.

    Texts of mixed length are mostly padding otherwise. With each batch, the places of its sequences in the given order.
    """
    texts = sequences(batches)
    for group in shortest_first([len(text) for text in texts], max(batch.input_ids.numel() for batch in batches)):
        yield group, padded([texts[place] for place in group])


def passes(batch: Batch, tokens: int) -> Iterator[tuple[Tensor, Batch]]:
    """Cut a batch into parts of similar length, longest first, each of at most `tokens` tokens with its padding.

    Yields which rows of the batch a part holds, int64 [b], and the part. A batch's order is a random draw, which CKA
    needs; the order of passes is free.
    """
    lengths = batch.attention_mask.sum(1).tolist()
    for places in longest_first(lengths, lambda place: tokens // lengths[place]):
        rows, longest = torch.tensor(places), lengths[places[0]]
        yield rows, Batch(batch.input_ids[rows, :longest], batch.attention_mask[rows, :longest])
