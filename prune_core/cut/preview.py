"""The planned model on the loaded donor: hooks skip the removed layers. Nothing is copied or left behind."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prune_core.cut import build, edits, parts
from prune_core.data.batches import Batch, by_length
from prune_core.forward.losses import Losses, batch_losses
from prune_core.forward.swaps import swap_forward, swap_weights
from prune_core.model.load import LoadedModel
from prune_core.model.stack import find_stack
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Plan
from prune_core.schema.progress import Progress, Silent
from prune_core.schema.reports import Preview
from prune_core.schema.stats import ratio_stderr
from prune_core.schema.wording import counted

# --- the planned model -----------------------------------------------------------------------------------------------


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


# --- its loss --------------------------------------------------------------------------------------------------------


def sequence_losses(model: PreTrainedModel, batches: Sequence[Batch], progress: Progress | None = None) -> Losses:
    """Each sequence's next-token loss. A token counts when it and the one before it are unmasked.

    Log likelihoods are computed in float32 and summed in float64. Raises UserError if one is not finite.
    """
    progress = progress or Silent()
    sequences = sum(len(batch.input_ids) for batch in batches)
    progress.stage("scoring calibration text", sequences, "sequences")
    losses = Losses(np.zeros(sequences), np.zeros(sequences, dtype=np.int64))
    for places, batch in by_length(batches):
        losses.nll[places], losses.tokens[places] = batch_losses(model, batch)
        progress.advance(len(places))
    if not np.isfinite(losses.nll).all():
        raise UserError(f"The loss is not finite in {model.dtype}: load the model in float32.")
    return losses


def preview(
    loaded: LoadedModel,
    batches: Sequence[Batch],
    plan: Plan,
    donor_losses: Losses | None = None,
    progress: Progress | None = None,
    fitted: edits.Fitted = edits.NOTHING,
) -> Preview:
    """The planned model's loss and the donor's on the same tokens; `donor_losses` saves a second donor pass.

    Losses are means over tokens: sum_s nll_s / sum_s n_s over sequences s; the standard error of their difference is
    over paired sequences (stats.py). Raises UserError if there are fewer than two.
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
