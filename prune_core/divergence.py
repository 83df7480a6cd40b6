"""How far one next-token distribution is from another."""

import torch
from torch import Tensor


def kl_divergence(donor: Tensor, other: Tensor) -> Tensor:
    """KL(donor || other) = sum_v p_v (log p_v - log q_v) in nats; log-probabilities [N, V] each -> float64 [N].

    Tokens that the donor rules out (p_v = 0, log p_v = -inf) add nothing.
    """
    likely = donor.exp()
    return torch.where(likely > 0, likely * (donor - other), 0).sum(-1, dtype=torch.float64)
