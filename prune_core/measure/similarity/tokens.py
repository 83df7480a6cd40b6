"""The measures that compare states token by token, in one sweep that shares each chunk's cosines."""

from typing import NamedTuple

import numpy as np
import torch

from prune_core.measure.similarity.angular import pair_angles
from prune_core.measure.similarity.cosine import pair_cosines
from prune_core.measure.similarity.means import SequenceMeans, sequence_sums, symmetric
from prune_core.measure.similarity.windows import Window

CHUNK_TOKENS = 1024


class Estimate(NamedTuple):
    """A measure's mean and standard error, float64 [S, S] each."""

    value: np.ndarray
    stderr: np.ndarray


class TokenMeasures:
    """A reader of windows that accumulates mean cosine and angular distance over all tokens, and over all but massive
    ones, and the distance at each sequence's last token."""

    def __init__(self, states: int) -> None:
        self._states = states
        pairs = states * (states - 1) // 2
        self._every, self._without = SequenceMeans(2 * pairs), SequenceMeans(2 * pairs)
        self._last = SequenceMeans(pairs)
        self._open = np.zeros((2, 1, 2 * pairs + 1))

    @property
    def sequences(self) -> int:
        return self._every.sequences

    @property
    def tokens(self) -> int:
        return int(self._every.tokens)

    def add(self, window: Window) -> None:
        """Take the window in; a sequence that goes on in the next one counts once it has ended."""
        sums = self._sums(window)
        sums[:, :1] += self._open
        ended = sums.shape[1] - (not window.last[-1])
        self._open = sums[:, ended:].sum(1, keepdims=True)  # of one or none
        every, massive = sums[:, :ended]
        self._every.add(every[:, :-1], every[:, -1])
        without = every - massive
        without = without[without[:, -1] > 0]  # a sequence without a token is none
        self._without.add(without[:, :-1], without[:, -1])

    def _sums(self, window: Window) -> np.ndarray:
        """Of all tokens and of massive ones, float64 [2, sequences, 2 P + 1]: cosines, angles, how many tokens."""
        device = window.states.device
        sequence = window.sequence - window.sequence[0]
        sums = np.zeros((2, int(sequence[-1]) + 1, self._open.shape[2]))
        for begin in range(0, len(sequence), CHUNK_TOKENS):
            some = slice(begin, begin + CHUNK_TOKENS)
            cosines = pair_cosines(window.states[:, some], window.norms[:, some])
            angles = pair_angles(cosines, window.states[:, some])
            values = torch.cat([cosines, angles, cosines.new_ones(len(cosines), 1)], 1)
            sums[0] += sequence_sums(values, sequence[some].to(device), sums.shape[1])
            massive = window.outlying[some].nonzero().squeeze(1)
            if len(massive):
                of = sequence[some][massive].to(device)
                sums[1] += sequence_sums(values[massive.to(device)], of, sums.shape[1])
            last = window.last[some].nonzero().squeeze(1)
            self._last.add(angles[last.to(device)].cpu().double().numpy(), np.ones(len(last)))
        return sums

    def estimates(self) -> dict[str, Estimate]:
        """The estimates by measure name. The diagonal is exact: cosine 1, distance 0, standard error 0."""
        found = {}
        for suffix, means in (("", self._every), ("_without", self._without)):
            for name, identical, mean, stderr in zip(
                ("cosine", "angular"), (1.0, 0.0), np.split(means.mean(), 2), np.split(means.stderr(), 2), strict=True
            ):
                found[name + suffix] = self._estimate(mean, stderr, identical)
        return found | {"angular_last": self._estimate(self._last.mean(), self._last.stderr(), 0.0)}

    def _estimate(self, mean: np.ndarray, stderr: np.ndarray, identical: float) -> Estimate:
        return Estimate(symmetric(mean, self._states, identical), symmetric(stderr, self._states, 0.0))
