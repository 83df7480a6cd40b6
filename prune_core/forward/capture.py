"""The hidden-state pass: one forward pass per batch, the states of all its tokens passed to accumulators.

Only the base model runs: no logits are computed. Hooks take state 0 as the input of layer 0 (so it is right for every
family's embedding, scaling and positions) and state i+1 as the output of layer i, before the final norm.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from prune_core.data.batches import Batch, passes
from prune_core.model.load import LoadedModel
from prune_core.schema.errors import UserError
from prune_core.schema.progress import Progress, Silent

CPU_PASS_TOKENS, GPU_PASS_TOKENS = 1024, 16384
"""Tokens per pass, padding included: a CPU gains nothing from more, since they no longer fit its cache."""


class Accumulator(Protocol):
    """Takes the states of one batch after another and keeps only sums of them."""

    def update(self, states: Tensor, lengths: Tensor) -> None:
        """states: [L+1, N, D] in the model's dtype, the N tokens of the batch's sequences one after the other, without
        padding; overwritten by the next batch, so nothing may hold on to it. lengths: int64 [B] on the CPU, the tokens
        of each sequence, N in total.
        """
        ...


def run(
    loaded: LoadedModel,
    batches: Sequence[Batch],
    accumulators: Sequence[Accumulator],
    progress: Progress | None = None,
) -> None:
    """Give every accumulator the states of every batch, in order. Holds the states of one batch at a time.

    Each token goes through the model once, in passes of similar length, so that little is spent on padding. Raises
    UserError if a sequence is longer than the model's context, or has a token the model does not know.
    """
    progress = progress or Silent()
    for batch in batches:
        _check(batch, loaded)
    progress.stage("measuring layers", sum(int(batch.attention_mask.sum()) for batch in batches), "tokens")
    room = States(len(loaded.stack.layers) + 1)
    limit = CPU_PASS_TOKENS if loaded.info.device == "cpu" else GPU_PASS_TOKENS
    with torch.inference_mode(), _recording(loaded.stack.layers, room):
        for batch in batches:
            lengths = batch.attention_mask.sum(1)
            room.begin(lengths)
            for rows, part in passes(batch, limit):
                room.aim(rows, part.attention_mask)
                forward(loaded, part)
                progress.advance(int(part.attention_mask.sum()))
            states = room.end()
            for accumulator in accumulators:
                accumulator.update(states, lengths)


def forward(loaded: LoadedModel, batch: Batch) -> None:
    """The bare forward pass F, the unit of cost: the base model over the batch, no logits, no cache."""
    device = next(loaded.stack.embedding.parameters()).device  # on several devices, inputs go where it is
    loaded.model.base_model(
        input_ids=batch.input_ids.to(device), attention_mask=batch.attention_mask.to(device), use_cache=False
    )


class States:
    """A buffer for the states of one batch, reused for the next. Values are copied: layers may add in place."""

    def __init__(self, states: int) -> None:
        self._states = states
        self._room = torch.empty(0)
        self._starts = self._source = self._target = torch.empty(0)
        self._whole: slice | None = None
        self._tokens = self._seen = self._expected = 0

    def begin(self, lengths: Tensor) -> None:
        """Prepare for a batch of sequences of these lengths, int64 [B]."""
        self._tokens = int(lengths.sum())
        self._starts = lengths.cumsum(0) - lengths
        self._seen = self._expected = 0

    def aim(self, rows: Tensor, mask: Tensor) -> None:
        """Set which rows of the batch the next pass holds, int64 [b], and its attention mask [b, T]."""
        places = self._starts[rows, None] + torch.arange(mask.shape[1])
        kept = mask.flatten().nonzero().squeeze(1)
        self._source, self._target = kept, places.flatten()[kept]
        first, last = int(self._target[0]), int(self._target[-1])
        unpadded = len(kept) == mask.numel()  # then lengths are equal and the rows in order
        self._whole = slice(first, last + 1) if unpadded and last - first == len(kept) - 1 else None
        self._expected += self._states

    def put(self, state: int, hidden: Any) -> None:
        """Keep the tokens of `hidden`, [b, T, D] or a tuple that starts with it, as this state."""
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        if hidden.dim() != 3:
            raise UserError(
                f"This family is not supported: its layers pass on {list(hidden.shape)} values where [batch, tokens, "
                "hidden size] was expected; choose another model."
            )
        if state == 0:
            self._make_room(hidden)
            self._source, self._target = self._source.to(hidden.device), self._target.to(hidden.device)
        slot, flat = self._room[state], hidden.flatten(0, 1)
        if self._whole is not None:
            slot[self._whole].copy_(flat)
        else:
            tokens = flat.index_select(0, self._source.to(flat.device))
            slot.index_copy_(0, self._target, tokens.to(slot.device))
        self._seen += 1

    def end(self) -> Tensor:
        """The states of the batch, [L+1, N, D]."""
        if self._seen != self._expected:
            raise UserError(
                f"This family is not supported: its passes ran {self._seen} layers where {self._expected} were "
                "expected; choose another model."
            )
        return self._room[:, : self._tokens]

    def _make_room(self, like: Tensor) -> None:
        if self._room.numel() == 0 or self._room.shape[1] < self._tokens:
            self._room = like.new_empty(self._states, self._tokens, like.shape[-1])


@contextmanager
def _recording(layers: nn.ModuleList, room: States) -> Iterator[None]:
    """Hooks that store the input of layer 0 and every layer's output in `room`; removed on exit."""

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
            f"The tokenizer gives token {largest} but the model knows {known} tokens: use the model's own tokenizer."
        )
