"""The donor run up to the end of a block, and no further: the block's input and its output.

Gradients are off, but the tensors are ordinary ones, so that a network can be trained on them.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from prune_core.data.batches import Batch
from prune_core.forward.capture import forward
from prune_core.forward.layer_runs import STATES, Call
from prune_core.forward.swaps import swap_forward
from prune_core.model.load import LoadedModel
from prune_core.schema.plan import Block


class BlockRun(NamedTuple):
    """One batch at a block. `before`, `after`: the states [B, T, D] at its two ends, padding included; `tokens`: bool
    [B, T], true where there is no padding; `call`: how the model called the block's first layer."""

    before: Tensor
    after: Tensor
    tokens: Tensor
    call: Call


class _Reached(Exception):
    """The end of the block is computed; what is above it need not be."""


def run_block(loaded: LoadedModel, batch: Batch, block: Block) -> BlockRun:
    """Run `batch` through the layers below `block` and through the block itself. Nothing above it is computed."""
    layers = loaded.stack.layers
    given: list[tuple[tuple[Any, ...], dict[str, Any], Tensor]] = []
    ends: list[tuple[Tensor, int | None]] = []

    def begin(_layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        states = args[0] if args else named[STATES]
        given.append((args, named, states.clone()))  # some families add to their input in place

    def end(_layer: nn.Module, _args: Any, output: Any) -> None:
        ends.append((output[0], len(output)) if isinstance(output, tuple) else (output, None))
        raise _Reached

    first, last = layers[block.start], layers[block.stop - 1]
    with ExitStack() as hooks, torch.no_grad():
        hooks.callback(first.register_forward_pre_hook(begin, with_kwargs=True).remove)
        hooks.callback(last.register_forward_hook(end).remove)
        with suppress(_Reached):
            forward(loaded, batch)
    (args, named, before), (after, count) = given[-1], ends[-1]
    others = {name: value for name, value in named.items() if name != STATES}
    tokens = batch.attention_mask.to(before.device).bool()
    return BlockRun(before, after, tokens, Call(args[1:], others, not args, count))


def apply(layer: nn.Module, call: Call, states: Tensor) -> Tensor:
    """The output of `layer` for `states` [B, T, D], called as the model called it; in the dtype of `states`."""
    args, named = in_dtype(call.args, states.dtype), in_dtype(call.named, states.dtype)
    output = layer(**named, **{STATES: states}) if call.states_named else layer(states, *args, **named)
    return output[0] if isinstance(output, tuple) else output


def in_dtype(value: Any, dtype: torch.dtype) -> Any:
    """`value` with every floating-point tensor in it, however deep in tuples, lists and dicts, cast to `dtype`."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, (tuple, list)):
        return type(value)(in_dtype(item, dtype) for item in value)
    if isinstance(value, dict):
        return {name: in_dtype(item, dtype) for name, item in value.items()}
    return value


@contextmanager
def standing_in(layers: nn.ModuleList, block: Block, run: Callable[[Tensor], Tensor], call: Call) -> Iterator[None]:
    """Within the context the block's first layer outputs `run(states)` and its others pass their input through."""

    def stand_in(work: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
        def put_out(*args: Any, **named: Any) -> Any:
            states = work(args[0] if args else named[STATES])
            return states if call.length is None else (states, *(None for _ in range(call.length - 1)))

        return put_out

    with ExitStack() as restore:
        for number in block.layers:
            work = run if number == block.start else lambda states: states
            restore.callback(swap_forward(layers[number], stand_in(work)))
        yield
