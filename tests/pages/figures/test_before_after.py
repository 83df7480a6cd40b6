"""Donor and pruned model side by side."""

import numpy as np

from pages._ui import figures
from pages._ui.figures import before_after
from prune_core.schema.reports import Metric, Report
from tests.pages.finished import LAYERS


def _report(label: str, factor: float) -> Report:
    metrics = (
        Metric("perplexity", "heldout.txt", 5.0 * factor, "", False, 0.1),
        Metric("loss", "heldout.txt", 1.6, "nats/token", False),
        Metric("acc", "demo_facts", 0.9 / factor, "fraction", True, 0.015, 0.25),
        Metric("acc", "demo_skills", 0.8, "fraction", True, 0.01, 0.4, note="mean of 6 tasks"),
        Metric("weights", "", 11.8e6 / factor, "bytes", False),
        Metric(f"{label} only", "", 1.0, "x", True),
    )
    return Report(label, 16, metrics, ())


def test_before_and_after_show_scores_with_chance_and_the_rest_as_ratios() -> None:
    figure = figures.before_after(_report("Donor", 1), _report("Pruned", 2))
    named = {(trace.name, trace.yaxis): trace for trace in figure.data if trace.name}
    assert list(named["chance", "y"].x) == [25, 40]
    assert np.allclose(named["Pruned", "y"].x, [45, 80])
    assert np.allclose(named["Donor", "y"].error_x.array, [1.5, 1.0])
    assert list(named["Pruned", "y2"].y) == ["perplexity ↓", "weights ↓"]
    assert np.allclose(named["Pruned", "y2"].x, [2, 0.5])
    told = [note.text for note in figure.layout.annotations]
    assert told == ["90.0 → 45.0%", "80.0 → 80.0%", "5 → 10", "11.8 → 5.9 MB"]


def test_before_and_after_of_nothing_in_common_is_an_empty_picture() -> None:
    assert len(figures.before_after(Report("a", 2, (), ()), Report("b", 1, (), ())).data) == 0


def test_of_very_many_scores_only_the_means_are_drawn():
    scores = tuple(Metric("acc", f"mmlu_{n}", 0.5, "fraction", True, 0.01, 0.25, 100) for n in range(57))
    mean = Metric("acc", "mmlu", 0.5, "fraction", True, 0.01, 0.25, 5700, "mean of 57 tasks")
    both = [Report(label, LAYERS, (*scores, mean), ()) for label in ("donor", "pruned")]
    assert list(before_after(*both).data[-1].y) == ["<b>mmlu, mean</b>"]
