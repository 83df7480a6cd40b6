"""Searches that accept a plan while its similarity stays above a threshold: finding the threshold for a budget."""

from collections.abc import Callable
from typing import NamedTuple

from prune_core.methods.base import Evidence, Step
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Plan

CLOSE = 1e-4
"""Thresholds closer than this count as equal: no calibration text tells them apart."""


class Trial(NamedTuple):
    """Where a search ended, and the plans that it evaluated on the way."""

    plan: Plan
    steps: list[Step]


def decide(
    evidence: Evidence, label: str, threshold: float | None, budget: int | None, attempt: Callable[[float], Trial]
) -> Plan:
    """The plan of `attempt` at `threshold`, or, if that is None, at the highest threshold that removes `budget` layers.

    `attempt` must stop once `budget` layers are gone. Only the deciding search's steps are recorded.
    """
    if threshold is not None:
        trial = attempt(threshold)
    elif budget is not None:
        trial = _highest(label, budget, attempt)
    else:
        raise UserError(f"{label} needs a threshold or a budget: give at least one of them.")
    for step in trial.steps:
        evidence.record(step)
    return trial.plan


def words(threshold: float, digits: int = 4) -> str:
    """A similarity threshold in words; no similarity is below -1."""
    return f"threshold {threshold:.{digits}f}" if threshold > -1 else "any similarity"


def _highest(label: str, budget: int, attempt: Callable[[float], Trial]) -> Trial:
    """The trial of the highest threshold that still removes `budget` layers, by bisection.

    A trial stands for all thresholds between its best rejected and its worst accepted score, since each of them would
    have decided the same; so the interval shrinks to measured scores and few trials are enough.
    """
    found = attempt(-1.0)
    if len(found.plan.removed) != budget:
        raise UserError(
            f"{label} removes {len(found.plan.removed)} layers when it accepts every merge, not {budget}: "
            "lower the budget or let it reach more layers."
        )
    low, high = _worst_accepted(found), 1.0
    while high - low > CLOSE:
        middle = (low + high) / 2
        trial = attempt(middle)
        if len(trial.plan.removed) == budget:
            found, low = trial, max(middle, _worst_accepted(trial))
        else:
            high = min(middle, _best_rejected(trial))
    return found


def _worst_accepted(trial: Trial) -> float:
    return min(step.score for step in trial.steps if step.accepted)


def _best_rejected(trial: Trial) -> float:
    return max((step.score for step in trial.steps if not step.accepted), default=1.0)
