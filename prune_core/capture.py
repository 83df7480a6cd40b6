"""The hidden-state pass: one forward pass a batch, the states of all its tokens handed to accumulators.

Only the base model runs: no logits are made. Hooks take state 0 as what layer 0 is given (so it is right for every
family's embedding, scaling and positions) and state i+1 as what layer i puts out, before the final norm.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from prune_core.model import LoadedModel
from prune_core.types import Progress, Silent, UserError


@dataclass(frozen=True)
class Batch:
    """B sequences, one document each. `input_ids`, `attention_mask`: int64 [B, T]; the mask is 1 at tokens, 0 at the
    padding on the right."""

    input_ids: Tensor
    attention_mask: Tensor


class Accumulator(Protocol):
    """Takes the states of one batch after the other and keeps only sums of them."""

    def update(self, states: Tensor, lengths: Tensor) -> None:
        """states: [L+1, N, D] in the model's dtype, the N tokens of the batch's sequences one after the other, without
        padding; overwritten by the next batch, so nothing may hold on to it. lengths: int64 [B] on the CPU, the tokens
        of each sequence, N together.
        """
        ...


def run(
    loaded: LoadedModel,
    batches: Sequence[Batch],
    accumulators: Sequence[Accumulator],
    progress: Progress | None = None,
) -> None:
    """Give every accumulator the states of every batch, in order. Holds the states of one batch at a time.

    Raises UserError where a sequence is longer than the model's context, or holds a token the model does not know.
    """
    progress = progress or Silent()
    for batch in batches:
        _check(batch, loaded)
    progress.stage("measuring layers", len(batches), "batches")
    room = States(len(loaded.stack.layers) + 1)
    with torch.inference_mode(), _recording(loaded.stack.layers, room):
        for batch in batches:
            room.begin(batch.attention_mask)
            forward(loaded, batch)
            states = room.end()
            lengths = batch.attention_mask.sum(1)
            for accumulator in accumulators:
                accumulator.update(states, lengths)
            progress.advance()


def forward(loaded: LoadedModel, batch: Batch) -> None:
    """The bare forward pass F that costs are counted in: the base model over the batch, no logits, no cache."""
    device = next(loaded.stack.embedding.parameters()).device  # on several devices, inputs go where it is
    loaded.model.base_model(
        input_ids=batch.input_ids.to(device), attention_mask=batch.attention_mask.to(device), use_cache=False
    )


class States:
    """Room for the states of one batch, used again for the next. Values are copied: layers may add in place."""

    def __init__(self, states: int) -> None:
        self._states = states
        self._room = torch.empty(0)
        self._kept: Tensor | None = None
        self._tokens = 0
        self._seen = 0

    def begin(self, mask: Tensor) -> None:
        """Make ready for a batch with attention mask [B, T]."""
        kept = mask.flatten().nonzero().squeeze(1)
        self._tokens = kept.numel()
        self._kept = None if self._tokens == mask.numel() else kept
        self._seen = 0

    def put(self, state: int, hidden: Any) -> None:
        """Keep the tokens of `hidden`, [B, T, D] or a tuple that starts with it, as this state."""
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        if hidden.dim() != 3:
            raise UserError(
                f"This family is not supported: its layers pass on {list(hidden.shape)} values where [batch, tokens, "
                "hidden size] was expected; choose another model."
            )
        if state == 0:
            self._make_room(hidden)
        slot, flat = self._room[state, : self._tokens], hidden.reshape(-1, hidden.shape[-1])
        if self._kept is None:
            slot.copy_(flat)
        elif flat.device == slot.device:
            torch.index_select(flat, 0, self._kept.to(flat.device), out=slot)
        else:
            slot.copy_(flat[self._kept.to(flat.device)])
        self._seen += 1

    def end(self) -> Tensor:
        """The states of the batch, [L+1, N, D]."""
        if self._seen != self._states:
            raise UserError(
                f"This family is not supported: one pass ran {self._seen - 1} layers of {self._states - 1}; "
                "choose another model."
            )
        return self._room[:, : self._tokens]

    def _make_room(self, like: Tensor) -> None:
        if self._room.numel() == 0 or self._room.shape[1] < self._tokens:
            self._room = like.new_empty(self._states, self._tokens, like.shape[-1])


@contextmanager
def _recording(layers: nn.ModuleList, room: States) -> Iterator[None]:
    """Hooks that put what layer 0 is given and what every layer puts out into `room`; removed on exit."""

    def given(layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        room.put(0, args[0] if args else named["hidden_states"])

    handles = [layers[0].register_forward_pre_hook(given, with_kwargs=True)]
    for number, layer in enumerate(layers, start=1):
        handles.append(layer.register_forward_hook(lambda _layer, _args, out, state=number: room.put(state, out)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _check(batch: Batch, loaded: LoadedModel) -> None:
    length, limit = batch.input_ids.shape[1], loaded.info.context_length
    if length > limit:
        raise UserError(f"A text of {length} tokens is longer than the model's context of {limit}: lower seq_len.")
    known, largest = next(loaded.stack.embedding.parameters()).shape[0], int(batch.input_ids.max())
    if largest >= known:
        raise UserError(
            f"The tokenizer gives token {largest} and the model knows {known} tokens: use the model's own tokenizer."
        )
