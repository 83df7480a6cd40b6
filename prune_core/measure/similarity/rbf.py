"""HSIC_1 with a Gaussian kernel of median bandwidth, for CKA that weighs near neighbours most.

k(x, y) = exp(-|x - y|^2 / (2 sigma^2)) with sigma the median distance between the minibatch's tokens, a state at a time
(Kornblith et al. 2019, arXiv 1905.00414, section 4). HSIC_1 is that of cka.py, here by U-centring (Szekely and Rizzo
2014, arXiv 1310.2926, definition 2), which is the same number: for K with zero diagonal, row sums r and total t,

    U_ij = K_ij - (r_i + r_j) / (n - 2) + t / ((n - 1) (n - 2)), i != j;    HSIC_1 = sum_ij U_ij V_ij / (n (n - 3))

and loses nothing to cancellation in float32, since kernel entries of high dimensions are all alike.
"""

import numpy as np
import torch
from torch import Tensor

SAMPLED = 8192
SEED = 0
"""The median is taken over this many pairs of tokens, the same for each state and minibatch; of fewer, over all."""

LEAST = 1e-3
"""Where most tokens coincide, the median is 0: sigma^2 is at least this times the mean squared distance."""

CONSTANT = 1e-13
"""A state whose variance is below this times its mean square is constant up to rounding: HSIC_1 0 with every other."""


def rbf_hsic_of_pairs(features: Tensor) -> np.ndarray:
    """HSIC_1 float64 [S, S] of all pairs of S states; features: float32 [S, n, D], n >= 4, left as they are.

    Takes S n^2 floats beside them.
    """
    states, n = features.shape[:2]
    pairs = sampled_pairs(n).to(features.device)
    kernels = features.new_empty(states, n, n)
    for kernel, state in zip(kernels, features, strict=True):
        _fill(kernel, state, pairs)
    flat = kernels.flatten(1)
    return (flat @ flat.T).cpu().double().numpy() / (n * (n - 3))


def sampled_pairs(n: int) -> Tensor:
    """Indices into a flat [n, n] matrix of the pairs i < j that the median is taken over, int64 [at most 8192]."""
    rows, columns = torch.triu_indices(n, n, 1)
    pairs = rows * n + columns
    if len(pairs) <= SAMPLED:
        return pairs
    return pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(SEED))[:SAMPLED]]


def bandwidth(squared: Tensor) -> Tensor:
    """sigma^2 for the squared distances of the sampled pairs, [P]; the lower median where P is even."""
    return torch.maximum(squared.median(), LEAST * squared.mean())


def _fill(kernel: Tensor, state: Tensor, pairs: Tensor) -> None:
    """Writes the U-centred kernel matrix of `state`, [n, D], into `kernel`, [n, n]."""
    centred = state - state.mean(0)  # distances stay, and rounding is of the spread, not of the common offset
    if centred.square().mean() <= CONSTANT * state.square().mean():
        kernel.zero_()
        return
    torch.mm(centred, centred.T, out=kernel)
    square = kernel.diagonal().clone()
    kernel.mul_(-2).add_(square).add_(square[:, None]).clamp_(min=0.0)
    kernel.mul_(-0.5 / bandwidth(kernel.flatten()[pairs])).exp_()
    n = len(state)
    kernel.diagonal().zero_()
    rows = kernel.sum(1) / (n - 2)
    kernel.sub_(rows).sub_(rows[:, None]).add_(rows.sum() / (n - 1))
    kernel.diagonal().zero_()
