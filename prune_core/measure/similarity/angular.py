"""Angular distance of all pairs of states, arccos(cosine) / pi (arXiv 2403.17887)."""

import math

import torch
from torch import Tensor

from prune_core.measure.similarity.cosine import TINY, pairs

NEAR = 1e-4
"""Where |cosine| > 1 - NEAR, float32 cosines no longer tell angles apart: arccos(1 - 1e-7) is 4e-4 already."""

PIECE_VALUES = 2**20


def pair_angles(cosines: Tensor, states: Tensor) -> Tensor:
    """Angular distances float32 [n, P], in units of pi, for `cosines` [n, P] of `states` float32 [S, n, D].

    Nearly parallel states are compared by their difference, 2 atan2(|u - v|, |u + v|) of the unit vectors u and v
    (Kahan, "How futile are mindless assessments of roundoff", 2006, "Mangled angles"), which is exact to 1e-7 at any
    angle and exactly 0 for equal states.
    """
    angles = cosines.acos()
    token, pair = (cosines.abs() > 1 - NEAR).nonzero(as_tuple=True)
    if len(token):
        first, second = pairs(states.shape[0], states.device)
        piece = max(1, PIECE_VALUES // states.shape[-1])
        for some, which in zip(token.split(piece), pair.split(piece), strict=True):
            u, v = _unit(states[first[which], some]), _unit(states[second[which], some])
            angles[some, which] = 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))
    return angles.mul_(1 / math.pi)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=1, keepdim=True).clamp_min(TINY)
