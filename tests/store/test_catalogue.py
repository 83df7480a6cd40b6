"""The catalogue of runs: what it says of each, how fast, that damage stays in its line; names, trash, recipes."""

import json
import os
import time
from dataclasses import replace

import pytest

from prune_core.schema.errors import UserError
from prune_core.store import catalogue, jobs, trash
from prune_core.store.catalogue import About
from tests.fixtures.stored import keep_run, result


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


def test_a_thousand_runs_are_listed_fast(store, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # of making them, which is not the point
    for number in range(1000):
        keep_run(store, number)
    catalogue.entries(store)
    catalogue._entry.cache_clear()
    begun = time.process_time()
    first = catalogue.entries(store)
    kept = time.process_time()
    assert catalogue.entries(store) == first and len(first) == 1000
    again = time.process_time()
    assert all(jobs.status(store, run.id) for run in first)
    told = time.process_time()
    assert kept - begun < 1.0 and again - kept < 0.5 and told - again < 1.0  # 0.2, 0.05 and 0.1 s when measured


def test_the_summary_is_only_a_copy(store):
    run_id = keep_run(store, 1)
    entry = catalogue.entry(store, run_id)
    summary = store.folder(run_id) / "summary.json"
    for content in ("", "[]", json.dumps(json.loads(summary.read_text()) | {"of": [0]})):
        summary.write_text(content)
        catalogue._entry.cache_clear()
        assert catalogue.entry(store, run_id) == entry
        assert json.loads(summary.read_text())["of"][0] == catalogue.VERSION
    store.save_result(run_id, replace(result(), seconds=9.0, pruned=replace(result().pruned, metrics=())))
    assert "perplexity" not in catalogue.entry(store, run_id).figures


@pytest.mark.parametrize("name", ["spec.json", "progress.json", "result.json", "about.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"type": "Nonsense"}', b"\xff\xfe"])
def test_a_damaged_file_is_told_in_its_line(store, name, content):
    keep_run(store, 1)
    run_id = keep_run(store, 2)
    (store.folder(run_id) / name).write_bytes(content)
    damaged, good = catalogue.entries(store)
    assert good.state == "done" and damaged.state == "damaged" and damaged.reason
    trash.delete(store, run_id)
    assert [run.id for run in trash.deleted(store)] == [run_id]


def test_missing_files(store):
    for number, name in enumerate(("spec.json", "progress.json", "result.json")):
        (store.folder(keep_run(store, number)) / name).unlink()
    result_gone, progress_gone, spec_gone = catalogue.entries(store)
    assert [run.state for run in (spec_gone, progress_gone, result_gone)] == ["damaged", "interrupted", "damaged"]
    assert "never started" in progress_gone.reason and "result.json is missing" in result_gone.reason


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


def test_a_waiting_run_is_not_deleted(store):
    run_id = keep_run(store, 1)
    (store.home / "queue").mkdir()
    (store.home / "queue" / f"1-{0:020d}-{run_id}").touch()
    with pytest.raises(UserError, match="cancel it"):
        trash.delete(store, run_id)


def test_a_run_that_the_worker_has_just_claimed_is_not_deleted(store, monkeypatch):
    run_id = keep_run(store, 1)  # no more in the queue, not locked yet
    monkeypatch.setattr(jobs, "running", lambda store: run_id)
    with pytest.raises(UserError, match="cancel it"):
        trash.delete(store, run_id)


def test_a_run_deleted_while_it_is_listed_leaves_no_folder(store, monkeypatch):
    run_id, read = keep_run(store, 1), catalogue._read

    def deleted_meanwhile(folder):
        entry = read(folder)
        trash.delete(store, run_id)
        return entry

    monkeypatch.setattr(catalogue, "_read", deleted_meanwhile)
    catalogue._entry.cache_clear()
    catalogue.entries(store)
    monkeypatch.undo()
    assert not store.folder(run_id).exists()
    trash.restore(store, run_id)
    assert catalogue.entry(store, run_id).state == "done"


# --- side by side -----------------------------------------------------------------------------------------------------


# --- recipes ----------------------------------------------------------------------------------------------------------
