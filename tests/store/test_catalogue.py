"""The catalogue of runs: what it says of each, how fast, that damage stays in its line; names, trash, recipes."""

from dataclasses import replace
from pathlib import Path

import pytest

from prune_core.pipeline.house import open_store
from prune_core.schema.errors import UserError
from prune_core.schema.reports import Metric
from prune_core.store import catalogue, database, run_lines, trash
from prune_core.store.catalogue import About
from prune_core.store.store import Store
from tests.fixtures.stored import keep_run, mark, result, run_spec


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


def test_a_line_says_what_the_run_measured(store):
    run_id = keep_run(store, 1)
    (entry,) = catalogue.entries(store)
    assert (entry.id, entry.state, entry.plan) == (run_id, "done", "drop layers 1 to 2 (2 of 16)")
    assert entry.made == "2026-01-01 00:00:01"
    perplexity, accuracy = entry.figures["perplexity"], entry.figures["accuracy"]
    assert (perplexity.donor, perplexity.pruned, perplexity.pruned_error) == (2.5, 3.01, 0.04)
    assert perplexity.on == "text, context 256, stride 128"
    assert (accuracy.donor, accuracy.pruned) == (0.8, 0.7)  # the group's mean, not a task's score
    assert entry.figures["kl"].donor is None and entry.figures["kl"].pruned == 0.25
    assert {"parameters", "decode", "disk"} <= set(entry.figures)


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


def test_the_line_is_only_a_copy(store):
    run_id = keep_run(store, 1)
    entry = catalogue.entry(store, run_id)
    for statement in ("UPDATE runs SET stamp = '[]', entry = '{}'", "DELETE FROM runs"):
        database.write(store.home, statement)
        assert catalogue.entry(store, run_id) == entry
        assert catalogue.entries(store) == [entry]
    store.save_result(run_id, replace(result(), seconds=9.0, pruned=replace(result().pruned, metrics=())))
    assert "perplexity" not in catalogue.entry(store, run_id).figures


@pytest.mark.parametrize("name", ["spec.json", "result.json", "about.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"type": "Nonsense"}', b"\xff\xfe"])
def test_a_damaged_file_is_told_in_its_line(store, name, content):
    keep_run(store, 1)
    run_id = keep_run(store, 2)
    (store.folder(run_id) / name).write_bytes(content)
    assert catalogue.entry(store, run_id).state == "damaged"  # seen where the run is opened, then by the list
    damaged, good = catalogue.entries(store)
    assert good.state == "done" and damaged.state == "damaged" and damaged.reason
    trash.delete(store, run_id)
    assert [run.id for run in trash.deleted(store)] == [run_id]


def test_missing_files(store):
    for number, name in enumerate(("spec.json", "result.json")):
        (store.folder(keep_run(store, number)) / name).unlink()
    run_lines.refresh(store)
    result_gone, spec_gone = catalogue.entries(store)
    assert [run.state for run in (spec_gone, result_gone)] == ["damaged", "damaged"]
    assert "result.json is missing" in result_gone.reason and "spec.json is missing" in spec_gone.reason


def test_names_tags_and_notes_leave_the_spec_alone(store):
    run_id = keep_run(store, 1)
    before = (store.folder(run_id) / "spec.json").read_bytes()
    catalogue.say(store, run_id, About(" Best ", ("a", " b", "a", ""), "why\n"))
    assert catalogue.entry(store, run_id).about == About("Best", ("a", "b"), "why")
    assert (store.folder(run_id) / "spec.json").read_bytes() == before
    with pytest.raises(UserError, match="There is no run"):
        catalogue.say(store, "../../etc", About("x"))


def test_search_and_filters(store):
    for number in range(4):
        keep_run(store, number)
    runs = catalogue.entries(store)
    catalogue.say(store, runs[0].id, About("Wiki best", ("paper",)))
    runs = catalogue.entries(store)
    assert catalogue.matching(runs, "best wiki") == runs[:1]
    assert catalogue.matching(runs, tags=("paper",)) == runs[:1]
    assert catalogue.matching(runs, models=("other",)) == catalogue.matching(runs, states=("failed",)) == []
    assert catalogue.matching(runs, "SLEB drop") == runs


def test_delete_restore_and_empty(store):
    first, second = keep_run(store, 1), keep_run(store, 2)
    trash.delete(store, first)
    assert [run.id for run in catalogue.entries(store)] == [second]
    trash.restore(store, first)
    assert {run.id for run in catalogue.entries(store)} == {first, second} and not trash.deleted(store)
    assert catalogue.finished(store, first)[1] == result()
    trash.delete(store, second)
    assert trash.empty(store) == 1
    with pytest.raises(UserError, match="trash holds no run"):
        trash.restore(store, second)
    with pytest.raises(UserError, match="There is no run"):
        trash.delete(store, second)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_that_waits_or_runs_is_not_deleted(store, state):
    mark(store, "run-x", run_spec(1), state)
    with pytest.raises(UserError, match="cancel it"):
        trash.delete(store, "run-x")


def test_a_run_deleted_while_its_line_is_made_leaves_no_folder(store, monkeypatch):
    run_id, read = keep_run(store, 1), run_lines._read

    def deleted_meanwhile(folder):
        entry = read(folder)
        trash.delete(store, run_id)
        return entry

    monkeypatch.setattr(run_lines, "_read", deleted_meanwhile)
    run_lines.keep(store, run_id)
    monkeypatch.undo()
    assert not store.folder(run_id).exists()
    assert catalogue.entries(store) == [] and [run.id for run in trash.deleted(store)] == [run_id]
    trash.restore(store, run_id)
    assert catalogue.entry(store, run_id).state == "done"
