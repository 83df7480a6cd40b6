"""Cosine similarity of all pairs of states, token by token; 1 - mean is Block Influence (arXiv 2403.03853)."""

import torch
from torch import Tensor

TINY = 1e-30
"""A norm below this counts as zero: such a state has cosine 0 with every other."""


def pair_cosines(states: Tensor) -> Tensor:
    """Cosines float32 [n, P] of the P = S (S - 1) / 2 pairs i < j of `states`, float32 [S, n, D], for n tokens.

    One batched Gram product G_n = X_n X_n^T for all tokens; the norms come from its diagonal, so that the states need
    no normalised copy.
    """
    count = states.shape[0]
    by_token = states.transpose(0, 1)
    gram = torch.bmm(by_token, by_token.mT)
    scale = gram.diagonal(dim1=1, dim2=2).sqrt().clamp_min(TINY).reciprocal()
    first, second = pairs(count, states.device)
    cosines = gram.flatten(1).index_select(1, first * count + second)
    cosines *= scale.index_select(1, first)
    cosines *= scale.index_select(1, second)
    return cosines.clamp_(-1.0, 1.0)


def pairs(states: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The pairs i < j of `states` states, row by row: two int64 [P]."""
    first, second = torch.triu_indices(states, states, 1, device=device)
    return first, second
