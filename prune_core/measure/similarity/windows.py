"""The stream of tokens cut into windows of equal size, whatever the batches, with every token's norms and place.

All similarity measures take the text a window at a time, since a token must be known as massive before it is counted,
and a norm is large only beside others. A window is a minibatch of CKA, so the batch size changes nothing in what is
measured; the windows' size does, as it always has.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from prune_core.measure.similarity.massive import massive
from prune_core.schema.errors import UserError

MIN_TOKENS = 4
"""HSIC_1 needs this many tokens."""


class Window(NamedTuple):
    """n tokens in the order of the text, on the model's device but for the places, which are on the CPU.

    states: float32 [S, n, D], norms: float32 [S, n], medians: float32 [S] of the norms, massive: bool [S, n]. sequence,
    position: int64 [n], both from 0. last: bool [n], whether the token is its sequence's last. outlying: bool [n], on
    the CPU, whether it is massive in any state. whole: false for what is left over at the end of the text.
    """

    states: Tensor
    norms: Tensor
    medians: Tensor
    massive: Tensor
    outlying: Tensor
    sequence: Tensor
    position: Tensor
    last: Tensor
    whole: bool


class Reader(Protocol):
    """Takes one window after the other and keeps only sums of them."""

    def add(self, window: Window) -> None:
        """The window's tensors are overwritten by the next one."""
        ...


class Windows:
    """A `capture.Accumulator` that hands windows of exactly `tokens` tokens to `readers`, and the rest at `finish`."""

    def __init__(self, tokens: int, readers: Sequence[Reader]) -> None:
        if tokens < MIN_TOKENS:
            raise UserError(f"CKA on minibatches of {tokens} tokens is not defined: take at least {MIN_TOKENS}.")
        self._tokens, self._readers = tokens, readers
        self._room = self._before = torch.empty(0)
        self._places = torch.empty(3, tokens, dtype=torch.int64)
        self._filled = self._sequences = 0

    def update(self, states: Tensor, lengths: Tensor) -> None:
        """states: [S, N, D], lengths: [B], as `capture.Accumulator` has them; every sequence holds a token."""
        if self._room.numel() == 0:
            shape = (states.shape[0], self._tokens, states.shape[2])
            self._room = torch.empty(shape, dtype=torch.float32, device=states.device)
        places = self._places_of(lengths)
        begin = 0
        while begin < states.shape[1]:
            taken = min(states.shape[1] - begin, self._tokens - self._filled)
            some, where = states[:, begin : begin + taken], places[:, begin : begin + taken]
            begin += taken
            if taken == self._tokens:  # a whole window need not wait in the room
                self._hand_on(some.float(), where)
                continue
            room = slice(self._filled, self._filled + taken)
            self._room[:, room].copy_(some)
            self._places[:, room] = where
            self._filled += taken
            if self._filled == self._tokens:
                self._filled = 0
                self._hand_on(self._room, self._places)

    @torch.inference_mode()  # as `update` is run
    def finish(self) -> None:
        """Hand on what is left over; its medians are of the last `tokens` tokens of the text, since few say little."""
        if self._filled:
            left, self._filled = self._filled, 0
            self._hand_on(self._room[:, :left], self._places[:, :left], whole=False)

    def _places_of(self, lengths: Tensor) -> Tensor:
        """Sequence, position and whether it is the last, of each token: int64 [3, N]."""
        sequence = torch.arange(len(lengths)).repeat_interleave(lengths)
        position = torch.arange(len(sequence)) - (lengths.cumsum(0) - lengths)[sequence]
        places = torch.stack([sequence + self._sequences, position, position + 1 == lengths[sequence]])
        self._sequences += len(lengths)
        return places

    def _hand_on(self, states: Tensor, places: Tensor, whole: bool = True) -> None:
        norms = torch.linalg.vector_norm(states, dim=2)
        around = norms if whole or self._before.numel() == 0 else torch.cat([self._before, norms], 1)
        medians = around[:, -self._tokens :].median(1).values
        self._before = norms
        found = massive(norms, medians)
        sequence, position, last = places
        window = Window(states, norms, medians, found, found.any(0).cpu(), sequence, position, last.bool(), whole)
        for reader in self._readers:
            reader.add(window)
