"""The handful of figures by which runs are listed, sorted and plotted, out of everything that a run measures."""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Literal

from prune_core.schema.reports import Metric, paired
from prune_core.schema.wording import metric_in_words


@dataclass(frozen=True)
class Key:
    """A figure to list: `name` in files and options, `label` on screen. `sides`: which models have it."""

    name: str
    label: str
    unit: str
    higher_is_better: bool
    sides: tuple[Literal["donor", "pruned"], ...] = ("donor", "pruned")


KEYS: tuple[Key, ...] = (
    Key("perplexity", "perplexity", "", False),
    Key("accuracy", "mean accuracy", "fraction", True),
    Key("kl", "KL from the donor", "nats/token", False, ("pruned",)),
    Key("parameters", "parameters", "", False),
    Key("decode", "decode speed", "tokens/s", True),
    Key("prefill", "prefill speed", "tokens/s", True),
    Key("disk", "size on disk", "bytes", False),
)
QUALITY = ("perplexity", "accuracy", "kl")
COST = ("decode", "prefill", "disk", "parameters")


@dataclass(frozen=True)
class KeyFigure:
    """One figure of donor and pruned model, each with one standard error where it has one. `on`: what it was
    measured on and how; only figures with the same `on` may be compared."""

    on: str
    donor: float | None
    donor_error: float | None
    pruned: float
    pruned_error: float | None


def key(name: str) -> Key:
    """The key called `name`."""
    return next(each for each in KEYS if each.name == name)


def in_words(which: Key, value: float | None, error: float | None = None) -> str:
    """A key figure for reading; empty if there is none."""
    if value is None:
        return ""
    return metric_in_words(Metric(which.name, "", value, which.unit, which.higher_is_better, error))


def key_figures(result: dict[str, Any]) -> dict[str, KeyFigure]:
    """The key figures in `result`, a RunResult as JSON data, by name; what was not measured is left out."""
    donor = _metrics(result.get("donor"))
    pruned = _metrics({name: value for name, value in result.items() if name != "donor"})
    pairs = {_key_of(after): (before, after) for before, after in reversed(paired(donor, pruned))}  # the first counts
    if mean := _mean_accuracy(pruned):
        pairs["accuracy"] = _mean_accuracy(donor), mean
    found = {}
    for name, (before, after) in ((each.name, pairs[each.name]) for each in KEYS if each.name in pairs):
        found[name] = KeyFigure(
            ", ".join(filter(None, (after.task, after.note))),
            before and before.value,
            before and before.stderr,
            after.value,
            after.stderr,
        )
    return found


def _key_of(metric: Metric) -> str:
    """The name of the key that this metric is, if it is one."""
    return {"KL from donor": "kl", "checkpoint": "disk"}.get(metric.name, metric.name)


def _metrics(data: Any) -> list[Metric]:
    """Every Metric anywhere in JSON data, in its order. Types are not checked: lists of runs hold thousands."""
    if isinstance(data, dict):
        if data.get("type") == "Metric":
            return [Metric(**{name: value for name, value in data.items() if name != "type"})]
        return [m for value in data.values() for m in _metrics(value)]
    return [m for value in data for m in _metrics(value)] if isinstance(data, list) else []


def _mean_accuracy(metrics: list[Metric]) -> Metric | None:
    """The mean that a group of all tasks reports, else the plain mean of all tasks' accuracies, errors combined."""
    every = [m for m in metrics if m.name == "acc"]
    scores = [m for m in every if not m.note.startswith("mean of")]
    group = next((m for m in every if m.note.startswith(f"mean of {len(scores)} tasks")), None)
    if group is not None or len(scores) < 2:
        return group or (scores[0] if scores else None)
    return replace(
        scores[0],
        task=", ".join(m.task for m in scores),
        value=sum(m.value for m in scores) / len(scores),
        stderr=sqrt(sum((m.stderr or 0.0) ** 2 for m in scores)) / len(scores),
        note=f"mean of {len(scores)} tasks, {scores[0].note}",
    )
