"""Planned models run on cached states: only the layers above the first change; only merged weights are copied.

The states along the donor are kept, and those along one more plan, which a search says it continues from. A plan starts
from whichever of the two it shares more layers with, counted from the bottom.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import NamedTuple, TypeVar

from torch import Tensor

from prune_core.cut import edits, parts
from prune_core.data.batches import Batch
from prune_core.forward.layer_runs import Recording, record
from prune_core.forward.swaps import swap_weights
from prune_core.model.device import free_bytes
from prune_core.model.load import LoadedModel
from prune_core.schema.plan import DropPart, Merge, Plan
from prune_core.schema.progress import Progress

T = TypeVar("T")
Fate = str | Merge | DropPart
"""What a plan does with one layer: KEPT, REMOVED, the merge that it becomes, or the single part that it loses."""
KEPT, REMOVED = "kept", "removed"

SHARE_OF_MEMORY = 0.25
"""Share of the device's free memory for the states along one plan; beyond it, only every n-th state is kept."""


def fates(plan: Plan) -> tuple[Fate, ...]:
    """What the plan does with each layer, [L]; equal for plans that give the same model."""
    edits.check_offered(plan)
    changed: dict[int, Fate] = {edit.into: edit for edit in plan.edits if isinstance(edit, Merge)}
    for edit in plan.edits:
        if isinstance(edit, DropPart):
            changed |= {layer: DropPart(edit.part, (layer,)) for layer in edit.layers}
    gone = set(plan.removed)
    return tuple(REMOVED if layer in gone else changed.get(layer, KEPT) for layer in range(plan.num_layers))


class Trunk(NamedTuple):
    """The states along one plan, for each batch: state number -> [B, T, D], padding included. The last is kept."""

    fates: tuple[Fate, ...]
    states: list[dict[int, Tensor]]


class PlannedRuns:
    """Runs plans on calibration batches. The donor is recorded on first use; its model is left unchanged."""

    def __init__(self, loaded: LoadedModel, batches: Sequence[Batch], progress: Progress) -> None:
        self.batches = batches
        self._model, self._layers, self._progress = loaded.model, loaded.stack.layers, progress
        self._positions = _affordable(loaded, batches)
        self._recordings: list[Recording] = []
        self._trunks = [Trunk((KEPT,) * len(self._layers), [])]
        self._changed: dict[Merge | DropPart, dict[str, Tensor]] = {}

    def each(self, plan: Plan, measure: Callable[[int, Recording, Tensor], T], count: int | None = None) -> list[T]:
        """`measure(number, recording, last states [B, T, D])` of each of the first `count` batches under `plan`."""
        return list(self.through(plan, measure, count))

    def through(
        self, plan: Plan, measure: Callable[[int, Recording, Tensor], T], count: int | None = None
    ) -> Iterator[T]:
        """As `each`, one after the other; between two the donor has its own weights."""
        wanted = fates(plan)
        for number in range(len(self.batches) if count is None else count):
            self._record(number + 1)
            self._progress.advance(0)  # heeds the cancel flag
            with self._weights_of(wanted):
                at, states = self._start(number, wanted)
                rest = (self._heeding(layer) for layer in range(at, len(wanted)) if wanted[layer] != REMOVED)
                result = measure(number, self._recordings[number], self._recordings[number].run(states, rest))
            yield result

    def report_to(self, progress: Progress) -> None:
        """Have later runs tell `progress`, and stop when that says so."""
        self._progress = progress

    def layers_to_run(self, number: int, plan: Plan) -> int:
        """How many layers `through` runs on batch `number` for this plan, the donor's own pass among them."""
        wanted, recorded = fates(plan), number < len(self._recordings)
        at = self._start(number, wanted)[0] if recorded else max(p for p in self._positions if p <= _first(wanted))
        return sum(fate != REMOVED for fate in wanted[at:]) + (0 if recorded else len(wanted))

    def settle(self, plan: Plan) -> None:
        """Keep the states along `plan` beside the donor's, replacing those of the plan settled on before."""
        wanted = fates(plan)
        self._record(len(self.batches))
        with self._weights_of(wanted):
            states = [self._along(number, wanted) for number in range(len(self.batches))]
        self._trunks[1:] = [Trunk(wanted, states)]

    def along_donor(self, number: int, state: int) -> tuple[Recording, Tensor]:
        """The recording of batch `number`, and a state of the donor, [B, T, D]; recomputed if it is not kept."""
        self._record(number + 1)
        kept = self._trunks[0].states[number]
        at = max(position for position in kept if position <= state)
        return self._recordings[number], self._recordings[number].run(kept[at], range(at, state))

    def _heed(self) -> None:
        """Stop here if the user has asked to."""
        self._progress.advance(0)

    def _heeding(self, layer: int) -> int:
        self._heed()
        return layer

    def _record(self, count: int) -> None:
        """Record the donor on the first `count` batches; to be called while it has its own weights."""
        for batch in self.batches[len(self._recordings) : count]:
            self._progress.advance(0)
            recording = record(self._model, batch.input_ids, batch.attention_mask, heed=self._heed)
            self._trunks[0].states.append({position: recording.states[position] for position in self._positions})
            self._recordings.append(replace(recording, states=()))

    def _start(self, number: int, wanted: tuple[Fate, ...]) -> tuple[int, Tensor]:
        """The highest kept state that `wanted` shares with a trunk, and its number."""
        shared = [(_shared(trunk.fates, wanted), trunk.states[number]) for trunk in self._trunks]
        return max(
            ((at, states[at]) for limit, states in shared for at in states if at <= limit), key=lambda found: found[0]
        )

    def _along(self, number: int, wanted: tuple[Fate, ...]) -> dict[int, Tensor]:
        """The states of batch `number` along a plan, at the positions that are kept."""
        self._progress.advance(0)
        recording = self._recordings[number]
        at, states = self._start(number, wanted)
        below = next(
            t.states[number] for t in self._trunks if _shared(t.fates, wanted) >= at and at in t.states[number]
        )
        kept = {position: below[position] for position in self._positions if position <= at}
        for layer in range(at, len(wanted)):
            states = states if wanted[layer] == REMOVED else recording.run(states, [layer])
            if layer + 1 in self._positions:
                kept[layer + 1] = states
        return kept

    @contextmanager
    def _weights_of(self, wanted: tuple[Fate, ...]) -> Iterator[None]:
        """Within the context the donor's layers have the plan's weights; those of the latest plan are kept."""
        changes = {number: fate for number, fate in enumerate(wanted) if not isinstance(fate, str)}
        known = self._changed
        self._changed = {edit: known[edit] for edit in changes.values() if edit in known}
        del known
        with ExitStack() as restore:
            for number, edit in changes.items():
                if edit not in self._changed:
                    if isinstance(edit, DropPart):
                        parts.check(self._recordings[0], number)
                    self._changed[edit] = edits.changed_by(edit, self._layers)[number]
            for number, edit in changes.items():
                restore.callback(swap_weights(self._layers[number], self._changed[edit]))
            yield


def _first(wanted: tuple[Fate, ...]) -> int:
    """The first layer that a plan changes."""
    return next((place for place, fate in enumerate(wanted) if fate != KEPT), len(wanted))


def _shared(one: tuple[Fate, ...], other: tuple[Fate, ...]) -> int:
    """How many layers, from the bottom, two plans treat the same."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), len(one))


def _affordable(loaded: LoadedModel, batches: Sequence[Batch]) -> list[int]:
    """The numbers of the states to keep: all of them, or every n-th if memory is short; always 0 and L."""
    layers, tokens = len(loaded.stack.layers), sum(batch.input_ids.numel() for batch in batches)
    size = (layers + 1) * tokens * loaded.info.hidden_size * loaded.model.dtype.itemsize
    stride = math.ceil(size / max(1.0, SHARE_OF_MEMORY * free_bytes(loaded.info.device)))
    return sorted({*range(0, layers + 1, max(1, stride)), layers})
