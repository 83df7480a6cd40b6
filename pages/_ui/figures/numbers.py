"""Metrics as a person reads them: 4.1 MB, 5.2 M, 1,230 tokens/s, 87.5% ± 1.2."""

import math
from collections.abc import Sequence

from prune_core.types import Metric


def quantity(metric: Metric) -> str:
    """The metric's value with its unit, to three digits or so."""
    return _with_unit(metric, metric.value)


def change(before: Metric, after: Metric) -> str:
    """ "11.8 → 9.2 MB": both values, the unit said once where it is the same."""
    old, new = quantity(before), quantity(after)
    number, unit = old.rstrip("%").partition(" ")[0], new.lstrip("-0123456789.,")
    return f"{number} → {new}" if old == number + unit else f"{old} → {new}"


def with_error(metric: Metric) -> str:
    """ "87.5% ± 1.2%": the value ± one standard error, where there is one."""
    if metric.stderr is None or not math.isfinite(metric.stderr):
        return quantity(metric)
    return f"{quantity(metric)} ± {_with_unit(metric, metric.stderr)}"


def label_of(metric: Metric, among: Sequence[Metric]) -> str:
    """A row's name: the task of a score, else the metric; both where one alone would name two rows of `among`."""
    task = metric.task.removeprefix("demo_").replace("_", " ")
    if metric.unit != "fraction":
        twice = sum(other.name == metric.name for other in among) > 1
        return f"{metric.name}, {task}" if twice else metric.name
    twice = sum(other.task == metric.task for other in among) > 1
    words = f"{task}, {metric.name}" if twice else task
    return f"<b>{words}, mean</b>" if metric.note.startswith("mean of") else words


def _with_unit(metric: Metric, value: float) -> str:
    if metric.unit == "fraction":
        return f"{100 * value:.1f}%"
    if metric.unit == "bytes":
        return _scaled(value, ("B", "kB", "MB", "GB", "TB"))
    if metric.name == "parameters":
        return _scaled(value, ("", "k", "M", "B", "T")).rstrip()
    return f"{_digits(value)} {metric.unit}".rstrip()


def _scaled(value: float, units: Sequence[str]) -> str:
    power = 0
    while abs(value) >= 1000 and power < len(units) - 1:
        value, power = value / 1000, power + 1
    return f"{_digits(value)} {units[power]}"


def _digits(value: float) -> str:
    """Three significant digits below 1000, thousands separated above."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 4)}f}"
