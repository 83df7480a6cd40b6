"""The store: results come back equal, writes are whole or not at all."""

import errno
import os
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import MeasureSpec
from prune_core.schema.drop_map import DropMap
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.job import Job
from prune_core.schema.measures import LayerStats
from prune_core.store.disk_full import DiskFull
from prune_core.store.files import copy_folder, write_text
from prune_core.store.store import PARTIAL


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path)


def test_maps_come_back_to_the_bit(store):
    rng = np.random.default_rng(0)
    stats = LayerStats(3, {"cosine": rng.random((4, 4))}, {"cosine": np.full((4, 4), np.nan)}, 5, 99, 0.25)
    store.save_spec("measure-x", MeasureSpec(ModelRef(), Calibration()))
    store.save_result("measure-x", stats)
    back = store.result("measure-x")
    assert isinstance(back, LayerStats)
    assert (back.num_layers, back.sequences, back.tokens, back.seconds) == (3, 5, 99, 0.25)
    np.testing.assert_array_equal(back.values["cosine"], stats.values["cosine"])
    np.testing.assert_array_equal(back.stderrs["cosine"], stats.stderrs["cosine"])


def test_a_partial_map_is_kept_until_the_whole_is_there(store):
    assert store.partial("dropmap-x") is None
    drops = DropMap(
        2, np.array([3]), np.array([[1.5, np.nan, 2.0]]), np.zeros((1, 3)), np.ones(1), np.array([7]), 4, 0.5
    )
    store.save_partial("dropmap-x", drops)
    assert store.result("dropmap-x") is None
    store.save_result("dropmap-x", drops)
    assert store.partial("dropmap-x") is None
    back = store.result("dropmap-x")
    assert isinstance(back, DropMap) and (back.planned, back.seconds) == (4, 0.5)
    np.testing.assert_array_equal(back.nll, drops.nll)
    assert back.tokens.dtype == np.int64
    store.save_partial("dropmap-x", replace(drops, planned=9))
    again = store.partial("dropmap-x")
    assert isinstance(again, DropMap) and again.planned == 9
    np.testing.assert_array_equal(again.nll, drops.nll)


def test_a_partial_that_cannot_be_read_does_not_stop_the_job(store):
    drops = DropMap(2, np.array([3]), np.zeros((1, 3)), np.zeros((1, 3)), np.ones(1), np.array([7]), 4, 0.5)
    store.save_partial("dropmap-x", drops)
    path = store.folder("dropmap-x") / PARTIAL
    path.write_bytes(path.read_bytes().replace(b"planned", b"plenned"))  # as another version may have called it
    assert store.partial("dropmap-x") is None
    path.write_bytes(b"half")
    assert store.partial("dropmap-x") is None


def test_nothing_there_is_none(store):
    assert store.spec("run-x") is None
    assert store.result("run-x") is None and not store.has_result("run-x")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\udcff")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_parts_are_made_once(store):
    job = Job("run-x", "run", "running")
    made = []

    def make():
        made.append(1)
        return job

    assert store.part("run-x", "p", Job, make) == store.part("run-x", "p", Job, make) == job
    assert made == [1]
    for damaged in ("{", '{"type": "Job", "gone": 1}'):
        (store.folder("run-x") / "parts" / "p.json").write_text(damaged)
        assert store.part("run-x", "p", Job, make) == job
    assert made == [1, 1, 1]


def test_clean_removes_only_what_dead_processes_left(store):
    store.part("run-x", "kept", str, lambda: "kept")
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # a zombie: it has ended, but holds its id
    (store.folder("run-x") / f".checkpoint-0123abcd-{ended.pid}").mkdir()
    (store.folder("run-x") / "parts" / f".donor.json-0123abcd-{ended.pid}").write_text("{")
    live = store.folder("run-x") / f".result.json-0123abcd-{os.getpid()}"
    live.write_text("{")
    store.clean("run-x")
    assert [path for path in store.folder("run-x").rglob(".*")] == [live]
    assert store.part("run-x", "kept", str, lambda: "made again") == "kept"
    ended.wait()


def test_a_copy_never_overwrites(store, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").write_text("{}")
    assert (copy_folder(source, str(tmp_path / "copy")) / "config.json").read_text() == "{}"
    with pytest.raises(UserError, match="already exists"):
        copy_folder(source, str(tmp_path / "copy"))


def test_no_empty_folder_stays_where_the_spec_could_not_be_written(store, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    spec = MeasureSpec(ModelRef(), Calibration())
    store.save_spec("measure-x", spec)
    monkeypatch.setattr(os, "fsync", full)
    for run_id in ("measure-x", "measure-y"):
        with pytest.raises(DiskFull, match="The disk is full"):
            store.save_spec(run_id, spec)
    assert store.spec("measure-x") == spec and not store.folder("measure-y").exists()
