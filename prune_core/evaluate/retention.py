"""What is left of each skill: donor and pruned model on the same items, so that "no loss" comes with an interval.

The paired bootstrap draws items with replacement. Only four counts matter (both right, lost, won, both wrong), so a
draw of n items is a multinomial draw of those counts; tasks are drawn separately. Intervals are percentiles of 10,000
draws.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prune_core.schema.reports import Metric, Outcomes, Retention

DRAWS = 10_000
SEED = 0
LEVEL = 0.95


@dataclass(frozen=True)
class Group:
    """Tasks reported as one mean, weighted by their number of items if `by_size`. `metrics`: those that it reports."""

    name: str
    members: tuple[str, ...]
    metrics: tuple[str, ...]
    by_size: bool


@dataclass(frozen=True)
class Cells:
    """How many items both models get right, only the donor, only the pruned model, neither."""

    both: int
    lost: int
    won: int
    neither: int

    @property
    def items(self) -> int:
        return self.both + self.lost + self.won + self.neither

    @property
    def donor(self) -> float:
        return (self.both + self.lost) / self.items

    @property
    def pruned(self) -> float:
        return (self.both + self.won) / self.items


def cells(donor: Sequence[int], pruned: Sequence[int]) -> Cells:
    """The four counts of paired answers, 1 right and 0 wrong."""
    pairs = list(zip(donor, pruned, strict=True))
    return Cells(*(pairs.count(pair) for pair in ((1, 1), (1, 0), (0, 1), (0, 0))))


def retention(
    donor: Sequence[Outcomes],
    pruned: Sequence[Outcomes],
    groups: Sequence[Group] = (),
    chances: Mapping[tuple[str, str], float] | None = None,
) -> tuple[Retention, ...]:
    """A row for each task and metric, then for each group, then the plain mean of all tasks if no group covers them.

    donor, pruned: the answers to the same tasks in the same order. chances: what guessing scores, by task and metric.
    """
    counted, guessed = _counted(donor, pruned), chances or {}
    rows = [_row(task, metric, [found], [guessed.get((task, metric))]) for (task, metric), found in counted.items()]
    every = Group(f"mean of {len(donor)} tasks", tuple(o.task for o in donor), _shared(donor), by_size=False)
    told = any(set(group.members) == set(every.members) for group in groups)
    for group in groups if told or len(donor) < 2 else (*groups, every):
        for metric in group.metrics:
            members = [(task, metric) for task in group.members if (task, metric) in counted]
            if members:
                each = [counted[member] for member in members], [guessed.get(member) for member in members]
                rows.append(_row(group.name, metric, *each, group.by_size))
    return tuple(rows)


def retained_performance(donor: Sequence[Outcomes], pruned: Sequence[Outcomes]) -> tuple[Metric, ...]:
    """Pruned / donor mean accuracy over all tasks (LLM-Streamline's RP), for acc, and for acc_norm if all have it.

    The error is the standard deviation of the ratio over bootstrap draws. Left out if the donor is never right.
    """
    found = []
    for metric in _shared(donor):
        counts = [c for (_, name), c in _counted(donor, pruned).items() if name == metric]
        before, after = (float(np.mean([getattr(c, side) for c in counts])) for side in ("donor", "pruned"))
        if not before:
            continue
        drawn = draws(counts).mean(0)
        ratios = drawn[:, 1] / np.where(drawn[:, 0] > 0, drawn[:, 0], np.nan)
        found.append(
            Metric(
                name=f"retained performance, {metric}",
                task=f"{len(counts)} task{'s' if len(counts) > 1 else ''}",
                value=after / before,
                unit="fraction",
                higher_is_better=True,
                stderr=float(np.nanstd(ratios)),
                samples=sum(c.items for c in counts),
                note=f"mean {metric} {100 * after:.2f}% of {100 * before:.2f}%",
            )
        )
    return tuple(found)


def draws(counts: Sequence[Cells]) -> np.ndarray:
    """Accuracies of donor and pruned model in each bootstrap draw: float64 [len(counts), DRAWS, 2]."""
    random = np.random.default_rng(SEED)
    found = np.empty((len(counts), DRAWS, 2))
    for k, c in enumerate(counts):
        drawn = random.multinomial(c.items, np.array([c.both, c.lost, c.won, c.neither]) / c.items, size=DRAWS)
        found[k] = (drawn[:, :1] + drawn[:, 1:3]) / c.items
    return found


def mcnemar(lost: int, won: int) -> float:
    """Two-sided exact p-value of McNemar's test: `lost` heads and `won` tails of a fair coin; 1 without tosses."""
    from scipy.stats import binomtest  # takes 0.7 s to import, and most jobs end without a test

    return float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0


def _counted(donor: Sequence[Outcomes], pruned: Sequence[Outcomes]) -> dict[tuple[str, str], Cells]:
    return {
        (before.task, metric): cells(before.right[metric], after.right[metric])
        for before, after in zip(donor, pruned, strict=True)
        for metric in before.right
    }


def _shared(outcomes: Sequence[Outcomes]) -> tuple[str, ...]:
    """The metrics that every task has."""
    return tuple(m for m in (outcomes[0].right if outcomes else ()) if all(m in each.right for each in outcomes))


def _row(task: str, metric: str, counts: list[Cells], chances: list[float | None], by_size: bool = False) -> Retention:
    """One row: a task, or the mean of several."""
    weights = np.array([c.items if by_size else 1 for c in counts], dtype=np.float64)
    weights /= weights.sum()
    drawn = np.tensordot(weights, draws(counts), 1)
    low, high = np.quantile(drawn[:, 1] - drawn[:, 0], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    lost, won = sum(c.lost for c in counts), sum(c.won for c in counts)
    if lost == won == 0:  # no draw can differ: take the rate of differing items at which one sample in 20 shows none
        high = max(w * (1 - (1 - LEVEL) ** (1 / c.items)) for w, c in zip(weights, counts, strict=True))
        low = -high
    known = [chance for chance in chances if chance is not None]
    errors = [math.sqrt(c.donor * (1 - c.donor) / c.items) for c in counts]
    return Retention(
        task=task,
        metric=metric,
        items=sum(c.items for c in counts),
        donor=float(weights @ [c.donor for c in counts]),
        pruned=float(weights @ [c.pruned for c in counts]),
        low=float(low),
        high=float(high),
        lost=lost,
        won=won,
        p_value=mcnemar(lost, won) if len(counts) == 1 else None,
        members=len(counts),
        chance=float(weights @ known) if len(known) == len(counts) else None,
        donor_stderr=float(np.linalg.norm(weights * errors)),
    )
