"""What was measured on a model: numbers with their units and errors, and texts. No torch."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from prune_core.schema.plan import Plan

OUTCOME = re.compile(r"(?<![\d.])\d+\.\d+(?![\d.])")


@dataclass(frozen=True)
class Metric:
    """One measured number. `name` says what it is, `task` what it was measured on."""

    name: str
    task: str
    value: float
    unit: str
    higher_is_better: bool
    stderr: float | None = None
    chance: float | None = None
    samples: int | None = None
    note: str = ""

    @property
    def kind(self) -> tuple[str, str, str, str]:
        """What two figures must share to be compared: on what, what, in which unit and how measured. Decimals in a
        note are outcomes, such as "from 1.41 to 1.52"."""
        return self.task, self.name, self.unit, OUTCOME.sub("", self.note)


def paired(donor: Iterable[Metric], pruned: Iterable[Metric]) -> list[tuple[Metric | None, Metric]]:
    """Each of the pruned model's figures with the donor's of the same kind, None where there is none."""
    before = {metric.kind: metric for metric in donor}
    return [(before.get(metric.kind), metric) for metric in pruned]


@dataclass(frozen=True)
class Continuation:
    """What a model wrote after `prompt` (seeded, so it is reproducible)."""

    prompt: str
    text: str


@dataclass(frozen=True)
class Report:
    """Everything measured on one model."""

    label: str
    num_layers: int
    metrics: tuple[Metric, ...]
    continuations: tuple[Continuation, ...]


@dataclass(frozen=True)
class Outcomes:
    """One model's answers to every item of a task, in the task's order.

    `right`: metric ("acc", "acc_norm", ...) -> one number per item, 1 right, 0 wrong. `loglikelihoods[i][c]`: nats of
    choice c of item i, which has `tokens[i][c]` tokens; both are empty for tasks that are not multiple-choice.
    """

    task: str
    right: dict[str, tuple[int, ...]]
    loglikelihoods: tuple[tuple[float, ...], ...] = ()
    tokens: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class TaskScore:
    """lm-eval's metrics of one task, and the answers to each item where items are right or wrong."""

    metrics: tuple[Metric, ...]
    outcomes: Outcomes | None


@dataclass(frozen=True)
class Retention:
    """What is left of one skill: donor and pruned model on the same `items` of a task, item by item.

    `donor`, `pruned`: accuracies in fractions. `low` to `high`: 95% interval of pruned - donor, paired. `lost` items
    only the donor answers right, `won` items only the pruned model. `p_value`: exact McNemar test, two-sided; None for
    a mean over tasks, whose `members` are the number of tasks. `chance`: what guessing scores, and `donor_stderr` one
    standard error of `donor`; both None if a task has no such score, and in results of older versions.
    """

    task: str
    metric: str
    items: int
    donor: float
    pruned: float
    low: float
    high: float
    lost: int
    won: int
    p_value: float | None
    members: int = 1
    chance: float | None = None
    donor_stderr: float | None = None

    @property
    def change(self) -> float:
        return self.pruned - self.donor

    @property
    def at_chance(self) -> bool:
        """Whether the donor is at most two standard errors above chance: then there is nothing to retain."""
        if self.chance is None or self.donor_stderr is None:
            return False
        return self.donor - self.chance <= 2 * self.donor_stderr

    @property
    def verdict(self) -> Literal["lost", "kept", "gained", "unclear", "at chance"]:
        """ "kept" if the interval contains 0: no loss was measured, which the width of the interval qualifies.

        "unclear" if interval and test disagree, as they may for few items. "at chance" refers to the donor: then the
        change says nothing.
        """
        if self.at_chance:
            return "at chance"
        if self.low <= 0 <= self.high:
            return "kept"
        if self.p_value is not None and self.p_value >= 0.05:
            return "unclear"
        return "lost" if self.high < 0 else "gained"


@dataclass(frozen=True)
class Agreement:
    """The pruned model compared with its donor: on held-out text token by token, on tasks item by item."""

    metrics: tuple[Metric, ...] = ()
    retention: tuple[Retention, ...] = ()


@dataclass(frozen=True)
class Preview:
    """Mean next-token loss (nats per token) of the donor and of the planned model on the same calibration tokens.

    `delta_stderr` is the standard error over sequences of the paired difference of losses. `tokens` were scored, of
    `of_tokens` that the text has: fewer in an estimate that is still refined; 0 in results of version 0.1.
    """

    plan: Plan
    donor_loss: float
    loss: float
    delta_stderr: float
    tokens: int
    seconds: float
    of_tokens: int = 0

    @property
    def is_estimate(self) -> bool:
        """Whether some of the text was not scored yet."""
        return self.tokens < self.of_tokens
