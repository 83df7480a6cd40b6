"""The models held in memory between jobs, so that a click needs no reload. The least recently used goes first."""

import gc
import json
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from prune_core.model.load import LoadedModel, inspect, load, room_for
from prune_core.schema.fingerprint import model_identity
from prune_core.schema.inputs import ModelRef
from prune_core.schema.progress import Progress

T = TypeVar("T")


@dataclass(frozen=True)
class Resident:
    """A loaded model and what was computed with it (token batches, its own losses); both are dropped together."""

    loaded: LoadedModel
    _known: dict[Hashable, Any] = field(default_factory=dict)

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value stored under `key`, made on first use."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def latest(self, name: str, key: Hashable, make: Callable[[], T]) -> T:
        """As `remember`, but only the value of the last key is held under `name`: for what takes much memory."""
        held = self._known.get(name)
        if held is None or held[0] != key:
            self._known.pop(name, None)  # before the next one takes its place in memory
            held = self._known[name] = (key, make())
        return held[1]


class Residents:
    """Loaded models by reference and content: a changed file on disk is a new model."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[ModelRef, str], Resident] = OrderedDict()

    def get(self, ref: ModelRef, progress: Progress) -> Resident:
        """The resident model for `ref`, loaded when needed, after making room for it."""
        key = (ref, json.dumps(model_identity(ref)))
        if key not in self._held:
            self._make_room(ref)
            self._held[key] = Resident(load(ref, progress))
        self._held.move_to_end(key)
        return self._held[key]

    def _make_room(self, ref: ModelRef) -> None:
        while self._held and not room_for(inspect(ref)):
            self._held.popitem(last=False)
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
