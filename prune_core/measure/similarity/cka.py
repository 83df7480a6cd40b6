"""Unbiased CKA of all pairs of states, by minibatches of tokens.

HSIC_1 of Song et al. 2012 ("Feature selection via dependence maximization", JMLR 13) for n tokens, K and L the kernel
matrices of two states with their diagonals set to 0:

    HSIC_1 = [tr(K L) + (1'K1)(1'L1) / ((n-1)(n-2)) - 2 / (n-2) * 1'K L1] / (n (n-3))

summed over minibatches as in Nguyen et al. 2021 (arXiv 2010.15327): CKA(i, j) = sum HSIC_1(i, j) divided by
sqrt(sum HSIC_1(i, i) * sum HSIC_1(j, j)). A token that is massive in any state is left out of all pairs, so that all
are over the same tokens; n is then what is left of the minibatch, which weighs as much as another.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import Tensor

from prune_core.measure.similarity.cosine import TINY
from prune_core.measure.similarity.linear_hsic import linear_hsics
from prune_core.measure.similarity.tokens import Estimate
from prune_core.measure.similarity.windows import MIN_TOKENS, Window
from prune_core.schema.errors import UserError
from prune_core.schema.measures import Tokens

Kernel = Callable[[Tensor], np.ndarray]
"""Features float32 [S, n, D] -> HSIC_1 [S, S]; leaves them as they are and gives exactly 0 for a constant state."""

CONSTANT = 1e-26
"""A state whose HSIC_1 with itself is below this times (mean squared norm)^2 is constant up to rounding."""

ONE_DIRECTION = 1e-13
"""The same for states of norm 1, which may owe all that differs to the rounding of norms."""


class MinibatchCKA:
    """A reader of windows, each a minibatch, that accumulates HSIC_1 of all pairs of states over them.

    A last, incomplete minibatch is left out, unless it is the only one. `further`: other kernels and the tokens they
    are taken over, by measure name.
    """

    def __init__(self, further: Mapping[str, tuple[Kernel, Tokens]] | None = None) -> None:
        self._further = dict(further or {})
        self._hsic: dict[str, list[np.ndarray]] = {name: [] for name in ("cka", "cka_all", "cka_unit", *self._further)}
        self._floors: dict[str, list[np.ndarray]] = {name: [] for name in self._hsic}
        self._most = self._most_left = 0

    def add(self, window: Window) -> None:
        """Take the window in, where it is a minibatch."""
        if not window.whole and self._most:
            return
        tokens, left = len(window.outlying), int((~window.outlying).sum())
        self._most, self._most_left = max(self._most, tokens), max(self._most_left, left)
        if tokens < MIN_TOKENS:
            return
        found = linear_hsics(window.states, window.norms, window.outlying)
        kept = (~window.outlying).to(window.norms.device)
        self._put("cka", found.without, CONSTANT * _fourth_power(window.norms[:, kept]))
        self._put("cka_all", found.every, CONSTANT * _fourth_power(window.norms))
        self._put("cka_unit", found.unit, np.full(len(found.unit), ONE_DIRECTION))
        self._add_further(window, kept, left)

    def _add_further(self, window: Window, kept: Tensor, left: int) -> None:
        plain: dict[Kernel, np.ndarray] = {}
        for name, (kernel, tokens) in self._further.items():
            if tokens == "unit":
                hsic = kernel(window.states / window.norms.clamp_min(TINY).unsqueeze(2))
            elif tokens == "without" and left < len(window.outlying):
                hsic = kernel(window.states[:, kept]) if left >= MIN_TOKENS else None
            else:  # the same where nothing is left out
                hsic = plain[kernel] if kernel in plain else plain.setdefault(kernel, kernel(window.states))
            self._put(name, hsic, np.zeros(len(window.norms)))

    def _put(self, name: str, hsic: np.ndarray | None, floor: np.ndarray) -> None:
        if hsic is not None:
            self._hsic[name].append(hsic)
            self._floors[name].append(floor)

    def estimates(self) -> dict[str, Estimate]:
        """CKA and its standard error, float64 [S, S], by measure name; the diagonal is 1.

        A constant state has nothing to relate to and gets 0 with every other. The standard error is the jackknife over
        minibatches, NaN (unknown) where there is only one. Raises UserError for fewer than 4 tokens in a minibatch.
        """
        if self._most < MIN_TOKENS:
            raise UserError(f"The text has {self._most} tokens and CKA needs {MIN_TOKENS}: give longer text.")
        if self._most_left < MIN_TOKENS:
            raise UserError(
                f"Without massive tokens {self._most_left} of {self._most} are left and CKA needs {MIN_TOKENS}: give "
                "longer text."
            )
        return {name: _estimate(self._hsic[name], self._floors[name]) for name in self._hsic}


def _fourth_power(norms: Tensor) -> np.ndarray:
    """(Mean squared norm)^2 of each state, float64 [S]; norms: [S, n]."""
    return np.square(norms.square().mean(1).cpu().double().numpy())


def _estimate(minibatches: Sequence[np.ndarray], floors: Sequence[np.ndarray]) -> Estimate:
    hsic, floor = np.stack(minibatches), np.stack(floors).sum(0)
    total = hsic.sum(0)
    return Estimate(_cka(total, floor), _jackknife(hsic, total, floor))


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
