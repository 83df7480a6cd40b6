"""The handful of figures by which runs are listed, out of a result as JSON data."""

from dataclasses import replace

import pytest

from prune_core.schema import serial
from prune_core.schema.key_figures import KEYS, KeyFigure, in_words, key, key_figures
from prune_core.schema.reports import Metric
from tests.fixtures.stored import result


def figures(changed=lambda metrics: metrics) -> dict[str, KeyFigure]:
    """The key figures of a made-up run, its pruned model's metrics as `changed` leaves them."""
    whole = result()
    pruned = replace(whole.pruned, metrics=tuple(changed(whole.pruned.metrics)))
    return key_figures(serial.to_json(replace(whole, pruned=pruned)))


def test_each_key_has_its_figure_and_what_was_not_measured_has_none() -> None:
    found = figures()
    assert list(found) == ["perplexity", "accuracy", "kl", "parameters", "decode", "disk"]
    assert found["perplexity"] == KeyFigure("text, context 256, stride 128", 2.5, 0.03, 3.01, 0.04)
    assert found["kl"] == KeyFigure("text, context 256, stride 128", None, None, 0.25, 0.01)
    assert (found["disk"].donor, found["disk"].pruned) == (6_000_000, 4_800_000)
    assert key_figures({"type": "RunResult"}) == {}


def test_a_donors_figure_that_was_measured_otherwise_is_no_donors_figure() -> None:
    found = figures(lambda ms: [replace(m, note="context 64") if m.name == "perplexity" else m for m in ms])
    assert found["perplexity"].donor is None and found["perplexity"].pruned == 3.01


def test_a_group_of_all_tasks_is_the_mean() -> None:
    accuracy = figures()["accuracy"]
    assert accuracy == KeyFigure("skills, mean of 2 tasks, 0-shot", 0.8, 0.02, 0.7, 0.02)


def test_without_a_group_the_mean_is_of_the_tasks() -> None:
    accuracy = figures(lambda ms: [m for m in ms if m.task != "skills"])["accuracy"]
    assert accuracy.pruned == pytest.approx((0.6 + 0.8) / 2)
    assert accuracy.pruned_error == pytest.approx(0.03 / 2)
    assert "mean of 2 tasks" in accuracy.on and "facts" in accuracy.on


def test_a_group_of_some_tasks_is_not_the_mean_of_all() -> None:
    other = Metric("acc", "other", 0.1, "fraction", True, 0.04, 0.25, 240, "0-shot")
    accuracy = figures(lambda ms: [*ms, other])["accuracy"]
    assert accuracy.pruned == pytest.approx((0.6 + 0.8 + 0.1) / 3)
    assert accuracy.pruned_error == pytest.approx((0.03**2 + 0.04**2) ** 0.5 / 3)
    assert accuracy.on == "facts, order, other, mean of 3 tasks, 0-shot"


def test_a_figure_in_words() -> None:
    assert in_words(key("accuracy"), 0.7, 0.02) == "70.0% ± 2.0"
    assert in_words(key("disk"), 4_800_000) == "4.8 MB" and in_words(key("kl"), None) == ""
    assert [each.name for each in KEYS] == [key(each.name).name for each in KEYS]
