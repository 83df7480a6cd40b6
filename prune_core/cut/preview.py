"""The planned model on the loaded donor: hooks skip the removed layers. Nothing is copied or left behind."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prune_core.cut import build, edits, parts
from prune_core.forward.swaps import swap_forward, swap_weights
from prune_core.model.stack import find_stack
from prune_core.schema.plan import Plan


@contextmanager
def planned(model: PreTrainedModel, plan: Plan, fitted: edits.Fitted = edits.NOTHING) -> Iterator[PreTrainedModel]:
    """Within the context `model` computes the planned model, to be called with `use_cache=False`.

    Removed layers are not computed: they output their input, so each kept layer keeps the mask and rotary embedding of
    its own position. Merged and replaced layers run with the weights made for them, one layer's worth of memory for
    each; dropped parts run with zeros. Afterwards the model is as before, even after an exception. Raises UserError if
    the built model could not be the same.
    """
    build.check_supported(model.config, plan, fitted)
    parts.check_plan(model, plan)
    layers = find_stack(model).layers
    outputs = _output_lengths(model, layers, plan.removed)
    patches = edits.patches(plan, fitted)
    with ExitStack() as restore:
        for number, weights in edits.changed_weights(plan, layers, fitted).items():
            restore.callback(swap_weights(layers[number], weights))
        for number in plan.removed:
            restore.callback(swap_forward(layers[number], _passing_on(outputs[number], patches.get(number))))
        yield model


def _output_lengths(model: PreTrainedModel, layers: nn.ModuleList, removed: tuple[int, ...]) -> dict[int, int | None]:
    """For each removed layer, the length of its output tuple, or None for a bare tensor; tried with one token."""
    lengths: dict[int, int | None] = {}

    def noting(number: int) -> Callable[[nn.Module, Any, Any], None]:
        def note(_layer: nn.Module, _given: Any, output: Any) -> None:
            lengths[number] = len(output) if isinstance(output, tuple) else None

        return note

    hooks = [layers[number].register_forward_hook(noting(number)) for number in removed]
    try:
        if removed:
            with torch.no_grad():
                model(input_ids=torch.zeros(1, 1, dtype=torch.int64, device=model.device), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return lengths


def _passing_on(length: int | None, patch: Tensor | None = None) -> Callable[..., Any]:
    """A layer's forward that outputs the hidden states it is given, alone or first in a tuple of `length`.

    `patch`: [D, D], multiplies the states first.
    """

    def forward(*args: Any, **kwargs: Any) -> Any:
        states = args[0] if args else kwargs["hidden_states"]
        if patch is not None:
            states = (states.to(patch.dtype) @ patch.to(states.device)).to(states.dtype)
        return states if length is None else (states, *(None for _ in range(length - 1)))

    return forward
