"""The measures that compare states token by token, in one sweep that shares each chunk's cosines."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prune_core.measure.similarity.angular import pair_angles
from prune_core.measure.similarity.cosine import pair_cosines
from prune_core.measure.similarity.means import SequenceMeans, sequence_sums, symmetric

CHUNK_TOKENS = 1024


class Estimate(NamedTuple):
    """A measure's mean and standard error, float64 [S, S] each."""

    value: np.ndarray
    stderr: np.ndarray


class TokenMeasures:
    """Accumulates mean cosine and angular distance over all tokens, and the distance at each sequence's last one."""

    def __init__(self, states: int) -> None:
        self._states = states
        pairs = states * (states - 1) // 2
        self._every = SequenceMeans(2 * pairs)
        self._last = SequenceMeans(pairs)

    @property
    def sequences(self) -> int:
        return self._every.sequences

    @property
    def tokens(self) -> int:
        return int(self._every.tokens)

    def update(self, states: Tensor, lengths: Tensor) -> None:
        """states: [S, N, D], lengths: [B], as `capture.Accumulator` has them; every sequence holds a token."""
        count, last = len(lengths), lengths.cumsum(0) - 1
        sequence = torch.arange(count).repeat_interleave(lengths).to(states.device)
        sums: np.ndarray | float = 0.0
        at_last = []
        for begin in range(0, states.shape[1], CHUNK_TOKENS):
            chunk = states[:, begin : begin + CHUNK_TOKENS].float()
            end = begin + chunk.shape[1]
            cosines = pair_cosines(chunk)
            angles = pair_angles(cosines, chunk)
            sums = sums + sequence_sums(torch.cat([cosines, angles], 1), sequence[begin:end], count)
            inside = last[(last >= begin) & (last < end)] - begin
            at_last.append(angles[inside.to(angles.device)].cpu().double().numpy())
        self._every.add(np.asarray(sums), lengths.numpy())
        self._last.add(np.concatenate(at_last), np.ones(count))

    def estimates(self) -> dict[str, Estimate]:
        """The estimates by measure name. The diagonal is exact: cosine 1, distance 0, standard error 0."""
        mean, stderr = np.split(self._every.mean(), 2), np.split(self._every.stderr(), 2)
        return {
            "cosine": self._estimate(mean[0], stderr[0], 1.0),
            "angular": self._estimate(mean[1], stderr[1], 0.0),
            "angular_last": self._estimate(self._last.mean(), self._last.stderr(), 0.0),
        }

    def _estimate(self, mean: np.ndarray, stderr: np.ndarray, identical: float) -> Estimate:
        return Estimate(symmetric(mean, self._states, identical), symmetric(stderr, self._states, 0.0))
