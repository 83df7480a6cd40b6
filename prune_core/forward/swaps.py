"""A layer temporarily run differently: with another forward, or with other weights."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def swap_forward(layer: nn.Module, forward: Callable[..., Any]) -> Callable[[], None]:
    """Makes `layer` run `forward` until the returned function is called. A forward set by someone else is restored."""
    before = vars(layer).get("forward")
    layer.forward = forward

    def restore() -> None:
        del layer.forward
        if before is not None:
            layer.forward = before

    return restore


def swap_weights(layer: nn.Module, weights: dict[str, Tensor]) -> Callable[[], None]:
    """Makes `layer` use `weights` (parameter name -> tensor) until the returned function is called."""
    parameters = dict(layer.named_parameters())
    before = {name: parameters[name].data for name in weights}
    for name, tensor in weights.items():
        parameters[name].data = tensor

    def restore() -> None:
        for name, tensor in before.items():
            parameters[name].data = tensor

    return restore
