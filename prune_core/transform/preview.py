"""The planned model on the loaded donor: hooks skip the removed layers. Nothing is copied, nothing left behind."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prune_core.capture import Batch
from prune_core.model import LoadedModel, find_stack
from prune_core.ratio import ratio_stderr
from prune_core.swaps import swap_forward, swap_weights
from prune_core.transform import edits, parts, surgery
from prune_core.types import Plan, Preview, Progress, Silent, UserError
from prune_core.wording import counted

CHUNK_VALUES = 2**24
"""Logits brought to float32 at a time: 64 MiB, whatever the vocabulary."""


class Losses(NamedTuple):
    """Of S sequences: `nll` float64 [S], each one's summed next-token negative log likelihood in nats; `tokens` int64
    [S], how many tokens were predicted in each."""

    nll: np.ndarray
    tokens: np.ndarray


# --- the planned model -----------------------------------------------------------------------------------------------


@contextmanager
def planned(model: PreTrainedModel, plan: Plan, fitted: edits.Fitted = edits.NOTHING) -> Iterator[PreTrainedModel]:
    """Within the context `model` computes the planned model, to be called with `use_cache=False`.

    Removed layers are not computed: they put out what they are given, so each kept layer keeps the mask and rotary
    embedding of its own place. Merged and replaced layers run with the weights made for them, one layer's worth of
    memory for each; dropped parts run with zeros. Afterwards the model is as before, also after an
    exception. Raises UserError where the built model could not be the same.
    """
    surgery.check_supported(model.config, plan, fitted)
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
    """For each removed layer, the length of the tuple it puts out, or None for a bare tensor; asked with one token."""
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
    """A layer's forward that puts out the hidden states it is given, alone or first in a tuple of `length`.

    `patch`: [D, D], multiplies the states first.
    """

    def forward(*args: Any, **kwargs: Any) -> Any:
        states = args[0] if args else kwargs["hidden_states"]
        if patch is not None:
            states = (states.to(patch.dtype) @ patch.to(states.device)).to(states.dtype)
        return states if length is None else (states, *(None for _ in range(length - 1)))

    return forward


# --- its loss --------------------------------------------------------------------------------------------------------


def sequence_losses(model: PreTrainedModel, batches: Sequence[Batch], progress: Progress | None = None) -> Losses:
    """Each sequence's next-token loss. A token counts when it and the one before it are unmasked.

    Log likelihoods are computed in float32 and summed in float64. Raises UserError when one is not finite.
    """
    progress = progress or Silent()
    sequences = sum(len(batch.input_ids) for batch in batches)
    progress.stage("scoring calibration text", sequences, "sequences")
    losses = Losses(np.zeros(sequences), np.zeros(sequences, dtype=np.int64))
    for places, batch in by_length(batches):
        losses.nll[places], losses.tokens[places] = batch_losses(model, batch)
        progress.advance(len(places))
    if not np.isfinite(losses.nll).all():
        raise UserError(f"The loss is not a finite number in {model.dtype}: load the model in float32.")
    return losses


def by_length(batches: Sequence[Batch]) -> Iterator[tuple[list[int], Batch]]:
    """The same sequences in batches of like length, none bigger than the biggest given: little padding is computed.

    Texts of mixed length are mostly padding otherwise. With each batch, the places of its sequences in the given order.
    """
    texts = [
        ids[: int(mask.sum())]
        for batch in batches
        for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True)
    ]
    room = max(batch.input_ids.numel() for batch in batches)
    group: list[int] = []
    for place in sorted(range(len(texts)), key=lambda place: len(texts[place])):
        if group and (len(group) + 1) * len(texts[place]) > room:
            yield group, _padded([texts[place] for place in group])
            group = []
        group.append(place)
    yield group, _padded([texts[place] for place in group])


def _padded(texts: list[Tensor]) -> Batch:
    """int64 [T_i] each, to one batch [B, T], padded on the right."""
    return Batch(
        nn.utils.rnn.pad_sequence(texts, batch_first=True),
        nn.utils.rnn.pad_sequence([torch.ones_like(text) for text in texts], batch_first=True),
    )


def batch_losses(model: PreTrainedModel, batch: Batch) -> Losses:
    """As `sequence_losses`, of one batch in the shape it has."""
    ids, mask = batch.input_ids.to(model.device), batch.attention_mask.to(model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]  # [B, T-1, V]
        rows, places = torch.nonzero(mask[:, 1:] * mask[:, :-1], as_tuple=True)  # [N] each
        targets = ids[rows, places + 1]
        size = max(1, CHUNK_VALUES // logits.shape[-1])
        nll = [
            nn.functional.cross_entropy(logits[r, p].float(), target, reduction="none").cpu()
            for r, p, target in zip(rows.split(size), places.split(size), targets.split(size), strict=True)
        ]
    sequences = rows.cpu().numpy()
    summed = np.bincount(sequences, weights=torch.cat(nll).double().numpy(), minlength=len(ids))
    return Losses(summed, np.bincount(sequences, minlength=len(ids)))


def preview(
    loaded: LoadedModel,
    batches: Sequence[Batch],
    plan: Plan,
    donor_losses: Losses | None = None,
    progress: Progress | None = None,
    fitted: edits.Fitted = edits.NOTHING,
) -> Preview:
    """The planned model's loss beside the donor's on the same tokens; `donor_losses` spares a second donor pass.

    Losses are means over tokens: sum_s nll_s / sum_s n_s over sequences s; the standard error of their difference is
    over paired sequences (ratio.py). Raises UserError where there are fewer than two.
    """
    started = time.perf_counter()
    donor = donor_losses or sequence_losses(loaded.model, batches, progress)
    with planned(loaded.model, plan, fitted):
        cut = sequence_losses(loaded.model, batches, progress)
    tokens, stderr = int(cut.tokens.sum()), ratio_stderr(cut.nll - donor.nll, cut.tokens)
    if stderr is None or not tokens:
        count = len(cut.tokens)
        raise UserError(
            f"{counted(count, 'calibration text')} cannot give a standard error: use at least 2, of 2 tokens or more."
        )
    return Preview(
        plan=plan,
        donor_loss=float(donor.nll.sum() / tokens),
        loss=float(cut.nll.sum() / tokens),
        delta_stderr=stderr,
        tokens=tokens,
        seconds=time.perf_counter() - started,
    )
