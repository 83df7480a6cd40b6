"""A run: what is built and measured, and the results. A RunSpec as JSON is a recipe. No torch."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.job import Answer
from prune_core.schema.plan import Plan
from prune_core.schema.reports import Agreement, Report


@dataclass(frozen=True)
class RunSpec:
    """Build the planned checkpoint and measure donor and pruned model. With its plan inside, it is the recipe."""

    model: ModelRef
    calibration: Calibration
    plan: Plan
    evaluation: Evaluation
    name: str = ""
    kind: Literal["run"] = "run"
    quick: ClassVar[bool] = False
    answer: ClassVar[Answer] = "new"


@dataclass(frozen=True)
class RunResult:
    """Before and after, where the checkpoint is (relative to the run's folder), and the versions that made it.

    `agreement` is None in results of older versions. `build_seconds` is None if an earlier attempt built it.
    """

    donor: Report
    pruned: Report
    checkpoint: str
    versions: dict[str, str]
    seconds: float
    agreement: Agreement | None = None
    build_seconds: float | None = None
