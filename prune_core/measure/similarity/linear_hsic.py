"""HSIC_1 with a linear kernel of all pairs of states: without massive tokens, with all, and with states of norm 1.

One Gram matrix a state serves all three. Its tokens are put in order, massive ones last, so that leaving them out is
leaving off rows and columns, and nothing huge is ever subtracted. States scaled to norm 1 have the Gram matrix
D^-1/2 X X' D^-1/2. The matrix at hand is of y_i = x_i - c, whose common offset c would drown in rounding what differs;
with d_i = 1 / |x_i|, its mean m and e_i = d_i - m,

    d_i d_j x_i'x_j = d_i d_j y_i'y_j + z_i e_j + e_i z_j + (w_i + w_j),    z_i = d_i c'y_i + c'c e_i / 2,

for some w. What is in brackets changes no HSIC_1 and is left out; of the rest, U-centring (rbf.py) takes out what is
left of its kind, so that nothing is lost to cancellation where all states point nearly one way.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prune_core.measure.similarity.cosine import TINY
from prune_core.measure.similarity.windows import MIN_TOKENS

ROWS = 64
"""Gram matrices are made by blocks of rows, right of the diagonal only."""


class Hsics(NamedTuple):
    """HSIC_1 of all pairs of states, float64 [S, S] each; `without` is None where fewer than 4 tokens are left."""

    without: np.ndarray | None
    every: np.ndarray
    unit: np.ndarray


def linear_hsics(states: Tensor, norms: Tensor, outlying: Tensor) -> Hsics:
    """states: float32 [S, n, D] of n >= 4 tokens, left as they are; norms: [S, n]; outlying: bool [n], on the CPU."""
    n, kept = len(outlying), len(outlying) - int(outlying.sum())
    if kept < n:
        order = outlying.int().argsort(stable=True).to(states.device)
        states, norms = states.index_select(1, order), norms.index_select(1, order)
    middle = centre_of(states[:, : kept or n], norms[:, : kept or n])
    centred = states - middle
    scale = torch.where(norms > TINY, 1 / norms, 0.0)  # a state of no length stays at 0
    along = _along(centred, middle, torch.ones_like(scale), scale, _first(kept, scale))
    own = torch.linalg.vector_norm(centred, dim=2).square_()
    turn = _to_unit(scale, 0.5 * middle.square().sum(2), along, own)
    ordinary, rest, unit = Traces(), Traces(), Traces()
    for rows, columns in _blocks(kept, n):
        block = torch.bmm(centred[:, rows], centred[:, columns].mT)
        diagonal = block.diagonal(dim1=1, dim2=2) if rows == columns else None
        times = 2 if diagonal is None else 1
        if diagonal is not None:
            diagonal.zero_()
        (ordinary if rows.stop <= kept else rest).add(block, times)
        turn(block, rows, columns)
        if diagonal is not None:
            diagonal.zero_()
        unit.add(block, times)
    every = hsic_1(ordinary.matrix() + rest.matrix(), along[:, 1] - own)
    without: np.ndarray | None = every  # the same to the last digit where nothing is left out
    if kept < n:
        left = (along[:, 3] - own)[:, :kept]
        without = hsic_1(ordinary.matrix(), left) if kept >= MIN_TOKENS else None
    return Hsics(without, every, unit.matrix() / (n * (n - 3)))


def _along(centred: Tensor, middle: Tensor, *weights: Tensor) -> Tensor:
    """The products of each token with the middle, and with the sums of all tokens by `weights`, [S, n] each: float32
    [S, 1 + len(weights), n]."""
    sums = torch.bmm(torch.stack(weights, 1), centred)
    return torch.bmm(torch.cat([middle, sums], 1), centred.mT)


def _first(kept: int, like: Tensor) -> Tensor:
    """1 for the first `kept` tokens, 0 for others, [S, n]."""
    return (torch.arange(like.shape[1], device=like.device) < kept).to(like).expand_as(like)


def hsic_1(traces: np.ndarray, row_sums: Tensor) -> np.ndarray:
    """HSIC_1 (cka.py) float64 [S, S] from tr(K_i K_j), [S, S], and the kernels' row sums off the diagonal, [S, n]."""
    sums = row_sums.cpu().double().numpy()
    n, total = sums.shape[1], sums.sum(1)
    pairs = np.outer(total, total) / ((n - 1) * (n - 2)) - 2 / (n - 2) * sums @ sums.T
    return (traces + pairs) / (n * (n - 3))


def centre_of(states: Tensor, norms: Tensor) -> Tensor:
    """About the mean of each state's tokens, [S, 1, D]; states: [S, n, D], norms: [S, n].

    A shift changes nothing in HSIC_1 but its rounding: an offset common to all tokens would drown what differs. So 128
    tokens or more, evenly spread, are enough for the mean. They weigh 1 / squared norm, or a few huge ones were it.
    """
    every = max(1, states.shape[1] // 128)
    some, square_norms = states[:, ::every], norms[:, ::every].square()
    weights = 1 / (square_norms + 1e-3 * square_norms.mean(1, keepdim=True) + TINY)
    weights /= weights.sum(1, keepdim=True)
    return torch.bmm(weights.unsqueeze(1), some)


def _to_unit(scale: Tensor, offset: Tensor, along: Tensor, own: Tensor) -> Callable[[Tensor, slice, slice], None]:
    """What turns, in place, a block [S, r, c] of the centred states' Gram matrix into that of states of norm 1,
    U-centred but for its diagonal.

    scale: d, [S, n]; offset: c'c / 2, [S, 1]; along: of `_along`, the scales third; own: |y|^2, [S, n].
    """
    n, uneven = scale.shape[1], scale - scale.mean(1, keepdim=True)
    shift = scale * along[:, 0] + offset * uneven
    rows = scale * (along[:, 2] - scale * own)
    rows += shift * (uneven.sum(1, keepdim=True) - uneven) + uneven * (shift.sum(1, keepdim=True) - shift)
    away = 0.5 * rows.sum(1, keepdim=True) / ((n - 1) * (n - 2)) - rows / (n - 2)
    one = torch.ones_like(away)
    left, right = torch.stack([shift, uneven, away, one], 2), torch.stack([uneven, shift, one, away], 1)

    def turn(block: Tensor, rows: slice, columns: slice) -> None:
        block.mul_(scale[:, rows, None]).mul_(scale[:, None, columns])
        torch.baddbmm(block, left[:, rows], right[:, :, columns], out=block)

    return turn


def _blocks(kept: int, n: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of blocks that hold each pair of n tokens once, and each token with itself; none holds both
    pairs of the first `kept` tokens alone and others."""
    for begin in range(0, kept, ROWS):
        end = min(begin + ROWS, kept)
        yield slice(begin, end), slice(begin, end)
        if end < kept:
            yield slice(begin, end), slice(end, kept)
    if kept < n:
        if kept:
            yield slice(kept, n), slice(0, kept)
        yield slice(kept, n), slice(kept, n)


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
        """float64 [S, S]; 0, which broadcasts, where nothing was added."""
        if not self._products:
            return np.zeros(())
        products = torch.stack(self._products).cpu().double().sum(0).numpy()
        ends = torch.stack(self._ends).cpu().double().sum(0).numpy()
        last = len(products)
        found = np.zeros((last + 1, last + 1))
        found[:-1, 1:] = np.triu(products)
        found += found.T
        squares = np.concatenate([ends[:1], np.diagonal(products, -1), ends[1:]])
        found[np.arange(last + 1), np.arange(last + 1)] = squares
        return found
