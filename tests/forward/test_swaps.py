"""A layer runs otherwise for a while, and then as before, whoever else has changed it meanwhile."""

import torch
from torch import nn

from prune_core.forward.swaps import swap_forward, swap_weights


def test_a_forward_of_others_comes_back() -> None:
    layer, x = nn.Linear(3, 3), torch.randn(2, 3)
    plain = layer(x)
    restore_outer = swap_forward(layer, lambda states: states + 1)
    restore_inner = swap_forward(layer, lambda states: states + 2)
    assert torch.equal(layer(x), x + 2)
    restore_inner()
    assert torch.equal(layer(x), x + 1)
    restore_outer()
    assert torch.equal(layer(x), plain) and "forward" not in vars(layer)


def test_weights_come_back_and_none_is_copied() -> None:
    layer, x = nn.Linear(3, 3), torch.randn(2, 3)
    plain, old = layer(x), layer.weight.data_ptr()
    new = torch.zeros(3, 3)
    restore = swap_weights(layer, {"weight": new})
    assert torch.equal(layer(x), layer.bias.expand(2, 3)) and layer.weight.data_ptr() == new.data_ptr()
    restore()
    assert torch.equal(layer(x), plain) and layer.weight.data_ptr() == old
