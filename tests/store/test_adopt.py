"""Stores of version 0.1 are taken over once, nothing lost; rows follow folders that changed behind their back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import InspectSpec, MeasureSpec, PreviewSpec
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.schema.reports import Preview
from prune_core.schema.serial import dumps
from prune_core.store import adopt, catalogue, database, jobs, trash
from prune_core.store.store import Store
from tests.fixtures.stored import keep_job, keep_run, result, run_spec

PLAN = drop_plan(16, (3,))
ASKED = PreviewSpec(ModelRef(), Calibration(), PLAN)
SEEN = Preview(PLAN, 1.0, 1.5, 0.1, 100, 0.2)


def old_store(home: Path) -> None:
    """A store as version 0.1 kept it: no database, progress.json in each folder, a queue of empty files."""
    old = {
        "run-20260101-000001-0001": (run_spec(1), "done", None, result()),
        "run-20260101-000002-0002": (run_spec(2), "failed", "The text is bad.", None),
        "run-20260101-000003-0003": (run_spec(3), "running", None, None),
        "run-20260101-000004-0004": (run_spec(4), "queued", None, None),
        "preview-00000000000000aa": (ASKED, "done", None, SEEN),
        "inspect-00000000000000bb": (InspectSpec(ModelRef()), "cancelled", None, None),
    }
    files = Store(home, object, object)
    for number, (name, (spec, state, error, answer)) in enumerate(old.items()):
        folder = files.folder(name)
        files.save_spec(name, spec)
        job = {"type": "Job", "id": name, "kind": spec.kind, "state": state, "error": error}
        (folder / "progress.json").write_text(json.dumps(job))
        (folder / "summary.json").write_text("{}")
        if answer is not None:
            files.save_result(name, answer)
        if state == "queued":
            (home / "queue").mkdir()
            (home / "queue" / f"1-{number:020d}-{name}").touch()
    (files.folder("run-20260101-000001-0001") / "about.json").write_text(dumps(catalogue.About("mine", ("a",), "why")))
    shutil.copytree(files.folder("run-20260101-000001-0001"), home / "trash" / "run-20260101-000009-0009")
    (home / "worker.json").write_text('{"pid": 1, "job": null}')
    (home / "worker.lock").touch()


def test_an_old_store_is_taken_over_whole(tmp_path):
    old_store(tmp_path)
    store = open_store(tmp_path)
    runs = {run.id[-4:]: run for run in catalogue.entries(store)}
    assert {key: run.state for key, run in runs.items()} == {
        "0001": "done",
        "0002": "failed",
        "0003": "interrupted",
        "0004": "queued",
    }
    assert runs["0002"].reason == "The text is bad." and runs["0001"].about == catalogue.About("mine", ("a",), "why")
    assert runs["0001"].figures["perplexity"].pruned == 3.01
    assert jobs.waiting_ids(store) == ["run-20260101-000004-0004"]
    assert jobs.briefs(store, "preview", jobs.subject_of(ASKED)) == [dumps(SEEN)]
    assert catalogue.finished(store, runs["0001"].id) == (run_spec(1), result())
    assert [run.id[-4:] for run in trash.deleted(store)] == ["0009"]
    assert not list(tmp_path.rglob("progress.json")) and not (tmp_path / "queue").exists()
    before = database.read(tmp_path, "SELECT * FROM jobs ORDER BY id")
    assert [tuple(row) for row in database.read(open_store(tmp_path).home, "SELECT * FROM jobs ORDER BY id")] == [
        tuple(row) for row in before
    ]


def test_a_lost_database_is_made_again_from_the_folders(tmp_path):
    store = open_store(tmp_path)
    run_id = keep_run(store, 1)
    keep_job(store, jobs.job_id(ASKED), ASKED, SEEN)
    trash.delete(store, keep_run(store, 2))
    for file in tmp_path.glob("layerscope.db*"):
        file.unlink()
    again = open_store(tmp_path)
    assert [(run.id, run.state) for run in catalogue.entries(again)] == [(run_id, "done")]
    assert len(trash.deleted(again)) == 1 and jobs.result(again, ASKED) == SEEN
    assert jobs.briefs(again, "preview", jobs.subject_of(ASKED)) == [dumps(SEEN)]


def test_rows_follow_the_folders(tmp_path):
    store, elsewhere = open_store(tmp_path / "a"), open_store(tmp_path / "b")
    gone, changed, trashed = (keep_run(store, number) for number in (1, 2, 3))
    trash.delete(store, trashed)
    copied = keep_run(elsewhere, 4)
    shutil.copytree(elsewhere.folder(copied), store.folder(copied))
    shutil.rmtree(store.folder(gone))
    store.save_result(changed, replace(result(), pruned=replace(result().pruned, metrics=())))
    adopt.refresh(store)
    runs = {run.id: run for run in catalogue.entries(store)}
    assert set(runs) == {changed, copied} and runs[copied].state == "done" and "perplexity" not in runs[changed].figures
    trash.restore(store, trashed)
    assert catalogue.entry(store, trashed).state == "done"


def test_a_waiting_job_is_not_forgotten_with_its_folder(tmp_path):
    store, spec = open_store(tmp_path), MeasureSpec(ModelRef(), Calibration())
    assert jobs.take(store, spec, "measure-x")
    database.write(store.home, "UPDATE jobs SET state = 'queued'")
    shutil.rmtree(store.folder("measure-x"))
    adopt.refresh(store)
    assert jobs.waiting_ids(store) == ["measure-x"]
