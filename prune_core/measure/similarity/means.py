"""Means over tokens, with standard errors over sequences."""

import numpy as np
import torch
from torch import Tensor


def symmetric(pairs: np.ndarray, states: int, diagonal: float) -> np.ndarray:
    """The [states, states] matrix with `pairs`, [P] row by row, above and below its diagonal."""
    matrix = np.full((states, states), diagonal)
    rows, columns = np.triu_indices(states, 1)
    matrix[rows, columns] = matrix[columns, rows] = pairs
    return matrix


def sequence_sums(values: Tensor, sequence: Tensor, sequences: int) -> np.ndarray:
    """float64 [sequences, C]: the rows of `values`, [n, C], summed by the sequence, int64 [n], that each belongs to."""
    exact = torch.float32 if values.device.type == "mps" else torch.float64  # MPS has no float64
    sums = torch.zeros(sequences, values.shape[1], dtype=exact, device=values.device)
    sums.index_add_(0, sequence, values.to(exact))
    return sums.cpu().double().numpy()


class SequenceMeans:
    """Sums of per-sequence sums, enough for a mean over tokens and its standard error over sequences. All float64.

    With y_s the sum of a value over the n_s tokens of sequence s, S sequences in all, the mean is the ratio of sums
    R = sum y_s / sum n_s, in which every token weighs the same. Its standard error takes whole sequences as the units
    drawn, since the tokens of one text are alike (Cochran, Sampling Techniques, chapter 6, linearised):

        SE = sqrt(S / (S - 1) * sum (y_s - R n_s)^2) / sum n_s

    With n_s = 1 it is the usual standard error of a mean. For one sequence it is NaN: unknown.
    """

    def __init__(self, columns: int) -> None:
        self.sequences = 0
        self.tokens = 0.0
        self._nn = 0.0
        self._y, self._yy, self._yn = (np.zeros(columns) for _ in range(3))

    def add(self, sums: np.ndarray, counts: np.ndarray) -> None:
        """sums: float64 [B, columns], one row a sequence; counts: [B], the tokens that went into each."""
        counts = counts.astype(np.float64)
        self.sequences += len(counts)
        self.tokens += counts.sum()
        self._nn += counts @ counts
        self._y += sums.sum(0)
        self._yy += np.square(sums).sum(0)
        self._yn += counts @ sums

    def mean(self) -> np.ndarray:
        """[columns]"""
        return self._y / self.tokens

    def stderr(self) -> np.ndarray:
        """[columns]. Where all sequences agree, rounding leaves up to 1e-8 of the mean."""
        if self.sequences < 2:
            return np.full_like(self._y, np.nan)
        ratio = self.mean()
        residual = np.maximum(self._yy - 2 * ratio * self._yn + ratio**2 * self._nn, 0.0)
        return np.sqrt(self.sequences / (self.sequences - 1) * residual) / self.tokens
