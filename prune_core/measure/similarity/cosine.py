"""Cosine similarity of all pairs of states, token by token; 1 - mean is Block Influence (arXiv 2403.03853)."""

import torch
from torch import Tensor

TINY = 1e-30
"""A norm below this counts as zero: such a state has cosine 0 with every other."""


def pair_cosines(states: Tensor, norms: Tensor) -> Tensor:
    """Cosines float32 [n, P] of the P = S (S - 1) / 2 pairs i < j of `states`, float32 [S, n, D], for n tokens.

    norms: float32 [S, n]. One batched product of states 0..L-1 with states 1..L holds all pairs on and above its
    diagonal; nothing is normalised before, and L x L, unlike L+1 x L+1, mostly has the size that matrix kernels are
    made for.
    """
    last = states.shape[0] - 1
    by_token = states.transpose(0, 1)
    products = torch.bmm(by_token[:, :-1], by_token[:, 1:].mT)  # (i, j) is of states i and j + 1
    scale = norms.T.clamp_min(TINY).reciprocal_()
    first, second = pairs(last + 1, states.device)
    cosines = products.flatten(1).index_select(1, first * last + second - 1)
    cosines *= scale.index_select(1, first)
    cosines *= scale.index_select(1, second)
    return cosines.clamp_(-1.0, 1.0)


def pairs(states: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The pairs i < j of `states` states, row by row: two int64 [P]."""
    first, second = torch.triu_indices(states, states, 1, device=device)
    return first, second
