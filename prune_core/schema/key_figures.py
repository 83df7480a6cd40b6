"""The handful of figures by which runs are listed, sorted and plotted, out of everything that a run measures."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

from prune_core.schema.reports import Metric
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
    found = {}
    for each in KEYS:
        after = _pick(each.name, pruned)
        if after is None:
            continue
        alike = donor if each.name == "accuracy" else [m for m in donor if m["task"] == after["task"]]
        before = _pick(each.name, alike) or {}
        found[each.name] = KeyFigure(
            ", ".join(filter(None, (after["task"], after["note"]))),
            before.get("value"),
            before.get("stderr"),
            after["value"],
            after["stderr"],
        )
    return found


def _metrics(data: Any) -> list[dict[str, Any]]:
    """Every Metric anywhere in JSON data, in its order."""
    if isinstance(data, dict):
        return [data] if data.get("type") == "Metric" else [m for value in data.values() for m in _metrics(value)]
    return [m for value in data for m in _metrics(value)] if isinstance(data, list) else []


def _pick(name: str, metrics: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The metric that the key `name` stands for."""
    if name == "accuracy":
        return _mean_accuracy(metrics)
    names = {"kl": ("KL from donor",), "disk": ("checkpoint",)}.get(name, (name,))
    return next((m for m in metrics if m["name"] in names), None)


def _mean_accuracy(metrics: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The mean that a group of all tasks reports, else the plain mean of all tasks' accuracies, errors combined."""
    every = [m for m in metrics if m["name"] == "acc"]
    scores = [m for m in every if not m["note"].startswith("mean of")]
    group = next((m for m in every if m["note"].startswith(f"mean of {len(scores)} tasks")), None)
    if group is not None or len(scores) < 2:
        return group or (scores[0] if scores else None)
    errors = [m["stderr"] or 0.0 for m in scores]
    names = ", ".join(m["task"] for m in scores)
    return scores[0] | {
        "task": names,
        "value": sum(m["value"] for m in scores) / len(scores),
        "stderr": sqrt(sum(error**2 for error in errors)) / len(scores),
        "note": f"mean of {len(scores)} tasks, {scores[0]['note']}",
    }
