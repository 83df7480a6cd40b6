"""Which tokens are massive: the rule of schema/norms.py on norms."""

import torch
from torch import Tensor

from prune_core.schema.norms import HUGE, LARGE


def massive(norms: Tensor, medians: Tensor) -> Tensor:
    """Where tokens are massive, bool [S, n], for norms [S, n] and their medians [S]; neighbouring states are rows."""
    large = norms > LARGE * medians[:, None]
    lasting = torch.zeros_like(large)
    lasting[1:] |= large[1:] & large[:-1]
    lasting[:-1] |= large[:-1] & large[1:]
    return lasting.logical_or_(norms > HUGE * medians[:, None])
