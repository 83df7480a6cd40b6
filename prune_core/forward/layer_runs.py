"""Layers rerun on cached states: one pass over a batch records each layer's arguments besides the hidden states.

Masks, rotary embeddings and ALiBi slopes are taken as the model itself makes them, layer by layer, by position or by
keyword, so that this works for every family, sliding windows included.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prune_core.forward.swaps import swap_forward
from prune_core.model.stack import find_stack
from prune_core.schema.errors import UserError

STATES = "hidden_states"


class Call(NamedTuple):
    """How one layer is called: its arguments besides the hidden states, and the length of its output tuple (None for a
    bare tensor)."""

    args: tuple[Any, ...]
    named: dict[str, Any]
    states_named: bool
    length: int | None


@dataclass(frozen=True)
class Recording:
    """One batch as its layers see it. `states`: L+1 tensors [B, T, D], padding included, or only state 0.

    The recorded arguments belong to these B sequences, so states to run must be of the same sequences.
    """

    model: PreTrainedModel
    layers: nn.ModuleList
    calls: tuple[Call, ...]
    input_ids: Tensor
    attention_mask: Tensor
    states: tuple[Tensor, ...]

    def run(self, states: Tensor, layers: Iterable[int]) -> Tensor:
        """The states [B, T, D] after `layers` (numbers, in the order to run) ran on `states`, which are not changed.

        No layers gives `states` itself.
        """
        with torch.inference_mode():
            for position, number in enumerate(layers):
                # some families add to their input in place, which must not change the caller's states
                states = self._call(number, states.clone() if position == 0 else states)
        return states

    def logits(self, states: Tensor, rows: slice = slice(None)) -> Tensor:
        """The model's logits [B, T, V] if its last layer outputs `states`; only for the sequences `rows`.

        The model itself runs with its layers passing on, so final norm, projections, scales and caps are its own.
        `states`: [B, T, D], already cut to `rows`.
        """
        with torch.inference_mode(), self.passing_on(states):
            return self.model(
                input_ids=self.input_ids[rows], attention_mask=self.attention_mask[rows], use_cache=False
            ).logits

    def _call(self, number: int, states: Tensor) -> Tensor:
        call = self.calls[number]
        if call.states_named:
            output = self.layers[number](*call.args, **call.named, **{STATES: states})
        else:
            output = self.layers[number](states, *call.args, **call.named)
        return output if call.length is None else output[0]

    @contextmanager
    def passing_on(self, states: Tensor) -> Iterator[None]:
        """Within the context every layer of the model outputs `states`, computing nothing, so that the model treats
        them as its last layer's output."""
        with ExitStack() as restore:
            for layer, call in zip(self.layers, self.calls, strict=True):
                restore.callback(swap_forward(layer, _putting_out(states, call.length)))
            yield


def record(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    keep_states: bool = True,
    heed: Callable[[], None] = lambda: None,
) -> Recording:
    """Run the layers once over a batch (int64 [B, T] each; right padding) and record what each was given.

    `keep_states` keeps all L+1 states, (L+1) B T D values; otherwise only state 0. `heed` is called before each layer
    and may raise. Raises UserError if a layer does
    not run exactly once.
    """
    layers = find_stack(model).layers
    input_ids, attention_mask = input_ids.to(model.device), attention_mask.to(model.device)
    states: list[Tensor] = []
    given: list[tuple[int, tuple[Any, ...], dict[str, Any]]] = []
    lengths: list[int | None] = []

    def before(number: int) -> Callable[..., None]:
        def note(_layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            heed()
            given.append((number, args, named))
            if number == 0:
                states.append((args[0] if args else named[STATES]).clone())

        return note

    def after(_layer: nn.Module, _args: Any, output: Any) -> None:
        lengths.append(len(output) if isinstance(output, tuple) else None)
        if keep_states:
            states.append((output[0] if isinstance(output, tuple) else output).clone())

    with torch.inference_mode(), _hooks(layers, before, after):
        model.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
    if [number for number, _, _ in given] != list(range(len(layers))):
        raise UserError(
            f"This family is not supported: one pass ran {len(given)} layers of {len(layers)}; choose another model."
        )
    calls = tuple(_call_of(args, named, n) for (_, args, named), n in zip(given, lengths, strict=True))
    return Recording(model, layers, calls, input_ids, attention_mask, tuple(states))


def _call_of(args: tuple[Any, ...], named: dict[str, Any], length: int | None) -> Call:
    others = {name: value for name, value in named.items() if name != STATES}
    return Call(args[1:], others, not args, length)


@contextmanager
def _hooks(layers: nn.ModuleList, before: Callable[[int], Callable[..., None]], after: Callable) -> Iterator[None]:
    handles = [layer.register_forward_pre_hook(before(n), with_kwargs=True) for n, layer in enumerate(layers)]
    handles += [layer.register_forward_hook(after) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _putting_out(states: Tensor, length: int | None) -> Callable[..., Any]:
    output = states if length is None else (states, *(None for _ in range(length - 1)))
    return lambda *args, **named: output
