"""How a figure of metrics labels its rows and writes both values; the wording itself is in prune_core.schema."""

from collections.abc import Sequence
from dataclasses import replace

from prune_core.schema.reports import Metric
from prune_core.schema.wording import metric_in_words


def change(before: Metric, after: Metric) -> str:
    """ "11.8 → 9.2 MB": both values without errors, the unit written once where it is the same."""
    old, new = (metric_in_words(replace(metric, stderr=None)) for metric in (before, after))
    number, unit = old.rstrip("%").partition(" ")[0], new.lstrip("-0123456789.,")
    return f"{number} → {new}" if old == number + unit else f"{old} → {new}"


def label_of(metric: Metric, among: Sequence[Metric]) -> str:
    """A row's name: the task of a score, else the metric; both where one alone would fit two rows of `among`."""
    task = metric.task.removeprefix("demo_").replace("_", " ")
    if metric.unit != "fraction":
        twice = sum(other.name == metric.name for other in among) > 1
        return f"{metric.name}, {task}" if twice else metric.name
    twice = sum(other.task == metric.task for other in among) > 1
    words = f"{task}, {metric.name}" if twice else task
    return f"<b>{words}, mean</b>" if metric.note.startswith("mean of") else words
