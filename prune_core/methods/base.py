"""What every method is: a frozen dataclass whose fields are its settings, with `plan(evidence, budget) -> Plan`.

Methods choose; they never touch weights. They know layers by number and ask `Evidence` for what was, or is to be,
measured. No torch here: the pages plan again in their own process each time a slider moves.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np

from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats
from prune_core.schema.plan import PARTS, DropPart, Part, Plan, drop_plan

Needs = Literal["nothing", "similarity", "search"]


@dataclass(frozen=True)
class Step:
    """One plan that a method evaluated, its score, and whether the method accepted it."""

    plan: Plan
    score: float
    accepted: bool
    note: str = ""


class Evidence(Protocol):
    """What methods base their choice on. Searches have plans measured on calibration text; measurements are kept."""

    @property
    def num_layers(self) -> int: ...

    @property
    def stats(self) -> LayerStats:
        """The similarities of all pairs of states. UserError where they were not measured."""
        ...

    def loss(self, plan: Plan) -> float:
        """Mean next-token loss of the planned model, in nats per token, as in a preview."""
        ...

    def similarity(self, plan: Plan) -> float:
        """Mean over texts of the cosine of the planned model's last hidden state with the donor's, all tokens of a text
        in one vector; the last hidden state is after the final norm."""
        ...

    def kl(self, plan: Plan, tokens: int | None = None) -> float:
        """Mean over tokens of KL(donor || planned model), in nats, on at least the first `tokens` tokens, or on all."""
        ...

    def taylor(self) -> np.ndarray:
        """Taylor importance of each layer, float64 [L]: the sum over its weights of |gradient of the loss * weight|."""
        ...

    def part_influence(self) -> np.ndarray:
        """1 - mean cosine of the hidden state before and after each part of each layer is added, float64 [2, L]: the
        attention's first, then the MLP's."""
        ...

    def settle(self, plan: Plan) -> None:
        """Announce that most later plans share this one's lower layers and can start from its states."""
        ...

    def expect(self, stage: str, plans: int) -> None:
        """Tell the progress display what begins now, and how many plans it measures at most."""
        ...

    def record(self, step: Step) -> None:
        """Add to the trajectory that is shown to the user."""
        ...


@dataclass(frozen=True)
class Measured:
    """Evidence from the similarity maps alone, for methods that need no more; `steps` is what they recorded."""

    num_layers: int
    layer_stats: LayerStats | None = None
    steps: list[Step] = field(default_factory=list)
    measured: int = 0
    reused: int = 0

    @property
    def stats(self) -> LayerStats:
        if self.layer_stats is None:
            raise UserError("Nothing has been measured yet: measure the layers first.")
        return self.layer_stats

    def loss(self, plan: Plan) -> float:
        raise self._no_model()

    def similarity(self, plan: Plan) -> float:
        raise self._no_model()

    def kl(self, plan: Plan, tokens: int | None = None) -> float:
        raise self._no_model()

    def taylor(self) -> np.ndarray:
        raise self._no_model()

    def part_influence(self) -> np.ndarray:
        raise self._no_model()

    def settle(self, plan: Plan) -> None: ...

    def expect(self, stage: str, plans: int) -> None: ...

    def record(self, step: Step) -> None:
        self.steps.append(step)

    def _no_model(self) -> UserError:
        return UserError("This method measures plans on the model itself: run it as a job, not on the maps alone.")


@dataclass(frozen=True)
class Method(ABC):
    """A way to choose layers. Subclasses are frozen dataclasses; each field, made by `setting`, is a setting.

    `needs` is what `plan` requires from its evidence: "nothing", the "similarity" maps, or a "search" on the loaded
    model. `budget_optional` methods can let a threshold decide how much to remove; the others need a budget.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    source: ClassVar[str]
    what: ClassVar[str]
    needs: ClassVar[Needs]
    score: ClassVar[str] = ""
    budget_optional: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __post_init__(self) -> None:
        check_settings(self)

    def plan(self, evidence: Evidence, budget: int | None = None) -> Plan:
        """The layers to cut, `budget` of them. A budget of 0 is the plan that keeps all.

        Raises UserError where the budget cannot be met with these settings.
        """
        layers = evidence.num_layers
        if budget is None and not self.budget_optional:
            raise UserError(f"{self.label} needs to know how many layers to remove: give a budget of 1 or more.")
        if budget is not None and not 0 <= budget < layers:
            raise UserError(
                f"A budget of {budget} cannot be cut from {layers} layers: choose one from 0 to {layers - 1}."
            )
        if budget == 0:
            return Plan(layers, (), self.name)
        return replace(self.choose(evidence, budget), method=self.name)

    @abstractmethod
    def choose(self, evidence: Evidence, budget: int | None) -> Plan:
        """The plan for a budget that is None (where `budget_optional`) or from 1 to L-1."""

    @property
    def texts(self) -> int | None:
        """How many calibration texts to measure plans on; None where the method does not say."""
        return getattr(self, "samples", None)

    def at_budget(self) -> Self:
        """This method with the setting that lets it meet any budget exactly; most do anyway."""
        return self


# --- settings ---------------------------------------------------------------------------------------------------------


def setting(
    default: Any,
    label: str,
    help: str,
    least: float | None = None,
    most: float | None = None,
    step: float | None = None,
) -> Any:
    """A dataclass field that is a setting: forms, command line and JSON are all built from it."""
    return field(default=default, metadata={"label": label, "help": help, "least": least, "most": most, "step": step})


def check_settings(method: Method) -> None:
    """Raises UserError for a setting outside its range."""
    for each in fields(method):
        value, least, most = getattr(method, each.name), each.metadata["least"], each.metadata["most"]
        too_low = value is not None and least is not None and value < least
        too_high = value is not None and most is not None and value > most
        if too_low or too_high:
            ends = f"{least} or more" if most is None else f"from {least} to {most}"
            raise UserError(f"{method.label}: {each.metadata['label']} is {value}: choose {ends}.")


# --- choosing ---------------------------------------------------------------------------------------------------------


def unprotected(evidence: Evidence, label: str, budget: int, first: int, last: int) -> list[int]:
    """The layers that may go when the `first` and `last` ones are protected. UserError where the budget is larger."""
    layers = list(range(first, evidence.num_layers - last))
    if budget > len(layers):
        raise UserError(
            f"{label} can remove at most {len(layers)} of {evidence.num_layers} layers here, not {budget}: "
            "lower the budget or protect fewer layers."
        )
    return layers


def drop_lowest(evidence: Evidence, layers: Sequence[int], scores: Sequence[float], budget: int) -> Plan:
    """Drop the `budget` layers with the lowest scores (the lower layer wins a tie); each layer is recorded.

    scores: one for each of `layers`.
    """
    order = sorted(range(len(layers)), key=lambda place: scores[place])
    chosen = [layers[place] for place in order[:budget]]
    for place in order:
        plan = drop_plan(evidence.num_layers, [layers[place]])
        evidence.record(Step(plan, float(scores[place]), layers[place] in chosen))
    return drop_plan(evidence.num_layers, chosen)


def drop_block(evidence: Evidence, scores: Sequence[float], size: int, best: int) -> Plan:
    """Drop the block [best, best + size); each candidate [start, start + size) is recorded with its score."""
    for start, score in enumerate(scores):
        plan = drop_plan(evidence.num_layers, list(range(start, start + size)))
        evidence.record(Step(plan, float(score), start == best))
    return drop_plan(evidence.num_layers, list(range(best, best + size)))


def drop_parts(num_layers: int, parts: Collection[tuple[Part, int]]) -> Plan:
    """The plan that drops these parts of these layers; a layer that loses both is dropped whole."""
    gone: dict[Part, set[int]] = {part: {layer for which, layer in parts if which == part} for part in PARTS}
    whole = set.intersection(*gone.values())
    dropped = drop_plan(num_layers, list(whole)).edits
    halves = [DropPart(part, tuple(sorted(layers - whole))) for part, layers in gone.items() if layers - whole]
    return Plan(num_layers, (*dropped, *halves))
