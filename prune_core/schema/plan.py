"""What is cut: blocks, edits and plans.

Layers are 0..L-1, blocks are half-open [start, stop). State 0 is the embedding output, state i+1 is the output of layer
i, before the final norm. Cell (i, j) with i < j of a similarity map compares states i and j, so it represents
block [i, j).
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from prune_core.schema.errors import UserError
from prune_core.schema.fit import Fit, changed_layer, place_of


@dataclass(frozen=True)
class Block:
    """Layers start..stop-1."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise UserError(f"Block [{self.start}, {self.stop}) is empty or negative: choose 0 <= start < stop.")

    @classmethod
    def from_key(cls, key: str) -> "Block":
        """The block whose `key` this is. UserError for any other text."""
        found = re.fullmatch(r"(\d+)-(\d+)", key)
        if found is None:
            raise UserError(f"'{key}' names no block: write its first layer and the one after its last, such as 9-13.")
        return cls(int(found[1]), int(found[2]))

    @property
    def key(self) -> str:
        """Its name in files, "9-13": start and stop, half-open."""
        return f"{self.start}-{self.stop}"

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(range(self.start, self.stop))

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Drop:
    """Remove these layers (any set, contiguous or not)."""

    layers: tuple[int, ...]

    @property
    def removed(self) -> tuple[int, ...]:
        return self.layers

    @property
    def changed(self) -> tuple[int, ...]:
        """The layers that stay with new weights; every kind of edit has this property."""
        return ()


Part = Literal["attention", "mlp"]
PARTS: tuple[Part, ...] = ("attention", "mlp")


@dataclass(frozen=True)
class DropPart:
    """Remove what one part of these layers, "attention" or "mlp", adds to the hidden state; the layers stay."""

    part: Part
    layers: tuple[int, ...]

    @property
    def removed(self) -> tuple[int, ...]:
        return ()

    @property
    def changed(self) -> tuple[int, ...]:
        return self.layers


@dataclass(frozen=True)
class Merge:
    """Fold `layers` into layer `into`, which stays; `layers` go. Rules: "rdsc" or "telescoped".

    `factors`: how often "rdsc" adds each layer's difference from `into`, if merges were merged again; empty is once.
    """

    into: int
    layers: tuple[int, ...]
    rule: str = "rdsc"
    factors: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.factors and (self.rule != "rdsc" or len(self.factors) != len(self.layers)):
            raise UserError(f"The factors of {self} do not fit an rdsc merge: give one for each merged layer, or none.")

    @property
    def removed(self) -> tuple[int, ...]:
        return self.layers

    @property
    def changed(self) -> tuple[int, ...]:
        return (self.into,)


@dataclass(frozen=True)
class Replace:
    """Put the network called `by` (fit.NETWORKS), fitted as `fit` says, in place of `block`."""

    block: Block
    by: str
    fit: Fit = field(default_factory=Fit)

    @property
    def removed(self) -> tuple[int, ...]:
        return self.block.layers[1:] if place_of(self.by) == "first layer" else self.block.layers

    @property
    def changed(self) -> tuple[int, ...]:
        return changed_layer(self.by, self.block.start)


Edit = Drop | DropPart | Merge | Replace


@dataclass(frozen=True)
class Plan:
    """What to do to a model of `num_layers` layers. No layer is touched by two edits; at least one layer stays."""

    num_layers: int
    edits: tuple[Edit, ...] = ()
    method: str = "by hand"

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for edit in self.edits:
            touched = {*edit.removed, *edit.changed}
            outside = sorted(layer for layer in touched if not 0 <= layer < self.num_layers)
            if outside:
                raise UserError(f"Layer {outside[0]} does not exist: this model has layers 0 to {self.num_layers - 1}.")
            named = edit.layers if isinstance(edit, DropPart) else edit.removed
            if not named or len(set(named)) != len(named):
                raise UserError(f"The edit {edit} removes nothing or names a layer twice: list each layer once.")
            if isinstance(edit, Merge) and edit.into in edit.layers:
                raise UserError(f"Layer {edit.into} cannot be merged into itself: leave it out of the merged layers.")
            twice = sorted(touched & seen)
            if twice:
                raise UserError(self._clash(twice[0]))
            seen |= touched
        if len(self.removed) >= self.num_layers:
            raise UserError(f"This plan removes all {self.num_layers} layers: keep at least one.")

    def _clash(self, layer: int) -> str:
        parts = {edit.part for edit in self.edits if isinstance(edit, DropPart) and layer in edit.layers}
        if len(parts) == len(PARTS):
            return f"Layer {layer} would lose both its attention and its MLP: drop the layer."
        return f"Layer {layer} is in two edits: put it in one of them only."

    @property
    def removed(self) -> tuple[int, ...]:
        return tuple(sorted(layer for edit in self.edits for layer in edit.removed))

    @property
    def kept(self) -> tuple[int, ...]:
        gone = set(self.removed)
        return tuple(layer for layer in range(self.num_layers) if layer not in gone)


def drop_plan(num_layers: int, layers: tuple[int, ...] | list[int], method: str = "by hand") -> Plan:
    """The plan that drops `layers`, in one edit; no layers gives the empty plan."""
    chosen = tuple(sorted(set(layers)))
    return Plan(num_layers, (Drop(chosen),) if chosen else (), method)
