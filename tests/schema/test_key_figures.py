"""The handful of figures by which runs are listed."""

from dataclasses import replace
from pathlib import Path

import pytest

from prune_core.pipeline.house import open_store
from prune_core.schema.reports import Metric
from prune_core.store import catalogue
from prune_core.store.store import Store
from tests.fixtures.stored import keep_run, result, run_spec


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


def test_without_a_group_the_mean_is_of_the_tasks(store):
    spec, whole = run_spec(1), result()
    alone = replace(whole.pruned, metrics=tuple(m for m in whole.pruned.metrics if m.task != "skills"))
    keep_run(store, 1, spec, replace(whole, pruned=alone))
    accuracy = catalogue.entries(store)[0].figures["accuracy"]
    assert accuracy.pruned == pytest.approx((0.6 + 0.8) / 2)
    assert accuracy.pruned_error == pytest.approx(0.03 / 2)
    assert "mean of 2 tasks" in accuracy.on and "facts" in accuracy.on


def test_a_group_of_some_tasks_is_not_the_mean_of_all(store):
    other = Metric("acc", "other", 0.1, "fraction", True, 0.04, 0.25, 240, "0-shot")
    whole = result()
    keep_run(store, 1, measured=replace(whole, pruned=replace(whole.pruned, metrics=(*whole.pruned.metrics, other))))
    accuracy = catalogue.entries(store)[0].figures["accuracy"]
    assert accuracy.pruned == pytest.approx((0.6 + 0.8 + 0.1) / 3)
    assert accuracy.pruned_error == pytest.approx((0.03**2 + 0.04**2) ** 0.5 / 3)
    assert accuracy.on == "facts, order, other, mean of 3 tasks, 0-shot"
