"""What was measured on a model: numbers with their units and errors, and texts. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One measured number. `name` says what it is, `task` on what; `stderr` and `chance` where there are any."""

    name: str
    task: str
    value: float
    unit: str
    higher_is_better: bool
    stderr: float | None = None
    chance: float | None = None
    samples: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Continuation:
    """What a model wrote after `prompt` (seeded, so that it repeats)."""

    prompt: str
    text: str


@dataclass(frozen=True)
class Report:
    """Everything measured on one model."""

    label: str
    num_layers: int
    metrics: tuple[Metric, ...]
    continuations: tuple[Continuation, ...]
