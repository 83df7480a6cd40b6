"""Unbiased linear CKA of all pairs of states, by minibatches of tokens.

HSIC_1 of Song et al. 2012 ("Feature selection via dependence maximization", JMLR 13) for n tokens, K and L the Gram
matrices of two states with their diagonals set to 0:

    HSIC_1 = [tr(K L) + (1'K1)(1'L1) / ((n-1)(n-2)) - 2 / (n-2) * 1'K L1] / (n (n-3))

summed over minibatches as in Nguyen et al. 2021 (arXiv 2010.15327): CKA(i, j) = sum HSIC_1(i, j) divided by
sqrt(sum HSIC_1(i, i) * sum HSIC_1(j, j)).
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from prune_core.measure.similarity.cosine import TINY
from prune_core.measure.similarity.tokens import Estimate
from prune_core.schema.errors import UserError

MIN_TOKENS = 4
"""HSIC_1 needs this many tokens."""

ROWS = 64
"""Gram matrices are made by blocks of rows, right of the diagonal only."""

CONSTANT = 1e-26
"""A state whose HSIC_1 with itself is below this times (mean squared norm)^2 is constant up to rounding."""


class MinibatchCKA:
    """Accumulates HSIC_1 of all pairs of states over minibatches of exactly `tokens` tokens, in the order they come.

    Tokens are kept across batches, so that the batch size does not matter. A last, incomplete minibatch is left out,
    unless it is the only one. `kernels`: further kernels, by measure name: features [S, n, D] -> HSIC_1 [S, S], which
    leave the features as they are and give exactly 0 for a constant state.
    """

    def __init__(
        self, states: int, tokens: int, kernels: Mapping[str, Callable[[Tensor], np.ndarray]] | None = None
    ) -> None:
        if tokens < MIN_TOKENS:
            raise UserError(f"CKA on minibatches of {tokens} tokens is not defined: take at least {MIN_TOKENS}.")
        self._states, self._tokens = states, tokens
        self._room = torch.empty(0)
        self._filled = 0
        self._hsic: list[np.ndarray] = []
        self._square_norms: list[np.ndarray] = []
        self._kernels = dict(kernels or {})
        self._kernel_hsic: dict[str, list[np.ndarray]] = {name: [] for name in self._kernels}

    def update(self, states: Tensor, lengths: Tensor) -> None:
        """states: [S, N, D], lengths: [B], as `capture.Accumulator` has them."""
        if self._room.numel() == 0:
            shape = (self._states, self._tokens, states.shape[2])
            self._room = torch.empty(shape, dtype=torch.float32, device=states.device)
        begin = 0
        while begin < states.shape[1]:
            taken = min(states.shape[1] - begin, self._tokens - self._filled)
            some = states[:, begin : begin + taken]
            begin += taken
            if taken == self._tokens:  # a whole minibatch need not wait in the room
                self._add(some.float())
                continue
            self._room[:, self._filled : self._filled + taken].copy_(some)
            self._filled += taken
            if self._filled == self._tokens:
                self._filled = 0
                self._add(self._room)

    @torch.inference_mode()  # as `update` is run: what is left over may still be centred in place
    def estimate(self) -> Estimate:
        """CKA and its standard error, float64 [S, S]; the diagonal is 1.

        A constant state has nothing to relate to and gets 0 with every other. The standard error is the jackknife over
        minibatches, NaN (unknown) where there is only one. Raises UserError for fewer than 4 tokens in all.
        """
        if not self._hsic:
            if self._filled < MIN_TOKENS:
                raise UserError(f"The text has {self._filled} tokens and CKA needs {MIN_TOKENS}: give longer text.")
            self._add(self._room[:, : self._filled])
        hsic, square_norms = np.stack(self._hsic), np.stack(self._square_norms)
        total, floor = hsic.sum(0), CONSTANT * np.square(square_norms).sum(0)
        return Estimate(_cka(total, floor), _jackknife(hsic, total, floor))

    def kernel_estimates(self) -> dict[str, Estimate]:
        """CKA of the further kernels, by name, over the same minibatches; to be called after `estimate`."""
        found = {}
        for name, minibatches in self._kernel_hsic.items():
            hsic = np.stack(minibatches)
            total, floor = hsic.sum(0), np.zeros(self._states)
            found[name] = Estimate(_cka(total, floor), _jackknife(hsic, total, floor))
        return found

    def _add(self, minibatch: Tensor) -> None:
        for name, kernel in self._kernels.items():
            self._kernel_hsic[name].append(kernel(minibatch))
        centred = self._room[:, : minibatch.shape[1]]
        square_norms = centre(minibatch, centred)
        self._hsic.append(hsic_of_pairs(centred))
        self._square_norms.append(square_norms.cpu().double().numpy())


def centre(features: Tensor, out: Tensor | None = None) -> Tensor:
    """Subtract from each state about the mean of its tokens; returns the mean squared norms [S] as they were before.

    features: float32 [S, n, D], changed in place unless there is an `out`. A shift changes nothing in HSIC_1 but its
    rounding: an offset common to all tokens would drown what differs. So 128 tokens or more, evenly spread, are enough
    for the mean. They weigh 1 / squared norm, or the few tokens of huge norm that many models have would be the mean.
    """
    some = features[:, :: max(1, features.shape[1] // 128)]
    square_norms = torch.linalg.vector_norm(some, dim=2).square_()
    mean = square_norms.mean(1)
    weights = 1 / (square_norms + 1e-3 * mean[:, None] + TINY)
    weights /= weights.sum(1, keepdim=True)
    torch.sub(features, torch.bmm(weights.unsqueeze(1), some), out=features if out is None else out)
    return mean


def hsic_of_pairs(features: Tensor) -> np.ndarray:
    """HSIC_1 of all pairs of S states, float64 [S, S]; features: float32 [S, n, D], near their own centre.

    The vectorised Gram matrices give the traces of all pairs as one product; only blocks on and right of the diagonal
    are made.
    """
    n = features.shape[1]
    traces = Traces()
    own = []
    for begin in range(0, n, ROWS):
        rows = features[:, begin : begin + ROWS]
        block = torch.bmm(rows, rows.mT)
        diagonal = block.diagonal(dim1=1, dim2=2)
        own.append(diagonal.clone())
        diagonal.zero_()
        traces.add(block, 1)
        if begin + ROWS < n:
            traces.add(torch.bmm(rows, features[:, begin + ROWS :].mT), 2)
    row_sums = torch.bmm(features.sum(1).unsqueeze(1), features.mT).squeeze(1) - torch.cat(own, 1)
    sums = row_sums.cpu().double().numpy()
    total = sums.sum(1)
    pairs = np.outer(total, total) / ((n - 1) * (n - 2)) - 2 / (n - 2) * sums @ sums.T
    return (traces.matrix() + pairs) / (n * (n - 3))


class Traces:
    """Sums the entrywise products of all pairs of blocks [S, a, b], i.e. tr(K_i K_j).

    States 0..L-1 times states 1..L holds every pair, as in cosine.py; the squares of the first and last stand apart.
    """

    def __init__(self) -> None:
        self._products: list[Tensor] = []
        self._ends: list[Tensor] = []

    def add(self, blocks: Tensor, times: int) -> None:
        flat = blocks.flatten(1)
        self._products.append(times * (flat[:-1] @ flat[1:].T))
        self._ends.append(times * torch.stack([flat[0] @ flat[0], flat[-1] @ flat[-1]]))

    def matrix(self) -> np.ndarray:
        """float64 [S, S]"""
        products = torch.stack(self._products).cpu().double().sum(0).numpy()
        ends = torch.stack(self._ends).cpu().double().sum(0).numpy()
        last = len(products)
        found = np.zeros((last + 1, last + 1))
        found[:-1, 1:] = np.triu(products)
        found += found.T
        squares = np.concatenate([ends[:1], np.diagonal(products, -1), ends[1:]])
        found[np.arange(last + 1), np.arange(last + 1)] = squares
        return found


def _cka(hsic: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """CKA from summed HSIC_1, [..., S, S]; states at or below `floor`, [..., S], are constant."""
    own = np.diagonal(hsic, axis1=-2, axis2=-1)
    scale = np.where(own > floor, 1 / np.sqrt(np.where(own > floor, own, 1.0)), 0.0)
    values = hsic * scale[..., :, None] * scale[..., None, :]
    diagonal = np.arange(hsic.shape[-1])
    values[..., diagonal, diagonal] = 1.0
    return values


def _jackknife(hsic: np.ndarray, total: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Standard error of CKA, [S, S], leaving out one of the M minibatches of `hsic`, [M, S, S], at a time."""
    count = len(hsic)
    if count < 2:
        return np.where(np.eye(hsic.shape[-1]) == 1, 0.0, np.nan)
    mean = np.zeros_like(total)
    squares = np.zeros_like(total)
    first = _cka(total - hsic[0], floor)
    for one in hsic:
        difference = _cka(total - one, floor) - first
        mean += difference / count
        squares += np.square(difference) / count
    return np.sqrt((count - 1) * np.maximum(squares - np.square(mean), 0.0))
