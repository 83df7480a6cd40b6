"""Nothing is lost: processes are killed and the disk fills at many moments of a run; each time it resumes as if not."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import transformers
from safetensors import safe_open
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.pipeline.house import open_store
from prune_core.schema.errors import UserError
from prune_core.schema.reports import Metric
from prune_core.schema.run import RunSpec
from prune_core.schema.serial import dumps
from prune_core.store import catalogue, jobs
from prune_core.store.disk_full import DiskFull
from prune_core.store.store import Store
from tests.fixtures.small_run import lasting, run_here, small_spec

KILLS = 20
RUN = "run-20260101-000000-0001"


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    return small_spec(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def whole_run(spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Metric], float]:
    """What an uninterrupted run measures, and the seconds that it takes when all is loaded."""
    warm = open_store(tmp_path_factory.mktemp("warm"))
    assert run_here(warm, RUN, spec).state == "done"
    begun, store = time.monotonic(), open_store(tmp_path_factory.mktemp("whole"))
    assert run_here(store, RUN, spec).state == "done"
    return lasting(store.result(RUN)), time.monotonic() - begun


def assert_whole(home: Path) -> None:
    """Every file of the store opens, and nothing is half-made."""
    for path in home.rglob("*"):
        assert not path.name.startswith("."), f"half-made: {path}"
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                assert [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118  it is no mapping


def assert_readable(store: Store) -> None:
    """Every folder opens as it stands, and the run's line says how it stands."""
    for path in store.home.rglob("*"):
        if path.suffix in (".json", ".safetensors") and not any(part.startswith(".") for part in path.parts):
            assert path.stat().st_size > 0
    entry = catalogue.entry(store, RUN)
    assert entry.state in ("done", "interrupted"), entry
    assert store.spec(RUN) is not None


def in_a_child(work: Callable[[], object]) -> int:
    """Do `work` in a forked process, where torch is there already; its process id."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests themselves run under nohup
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        work()
        os._exit(0)
    return child


def test_twenty_kills_at_random_moments(spec, whole_run, tmp_path):
    figures, seconds = whole_run
    rng, kills, attempts = random.Random(7), 0, 0
    while kills < KILLS:
        store = open_store(tmp_path / str(attempts))
        while (job := jobs.status(store, RUN)) is None or job.state != "done":
            child = in_a_child(lambda store=store: run_here(store, RUN, spec))
            time.sleep(rng.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
            kills += os.waitpid(child, 0)[1] == signal.SIGKILL
            assert_readable(store)
        store.clean_shared()
        assert_whole(store.home)
        assert lasting(store.result(RUN)) == figures
        attempts += 1


def test_finished_parts_are_not_done_again(spec, whole_run, tmp_path, monkeypatch):
    store = open_store(tmp_path)
    monkeypatch.setattr("prune_core.pipeline.measuring.speed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_here(store, RUN, spec)
    parts = {path: path.stat().st_mtime_ns for path in store.home.glob("runs/*/parts/*.json")}
    assert len(parts) >= 6 and catalogue.entry(store, RUN).state == "cancelled"
    monkeypatch.undo()
    assert run_here(store, RUN, spec).state == "done"
    assert parts == {path: path.stat().st_mtime_ns for path in parts}
    assert lasting(store.result(RUN)) == whole_run[0]


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def wait_to_be_killed(*_: object) -> None:
    while True:
        signal.pause()


class FullDisk:
    """No room from the moment that `name` is to be put in its place, until `over`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
        self.seen: list[str] = []
        self.name, self.full = name, False
        for call in ("replace", "rename"):
            monkeypatch.setattr(os, call, self._instead_of(getattr(os, call)))
        monkeypatch.setattr(os, "fsync", self._check)

    def _instead_of(self, real: Callable) -> Callable:
        def call(source: object, target: object) -> None:
            self.seen.append(Path(str(target)).name)
            self.full |= self.seen[-1] == self.name
            self._check()
            real(source, target)

        return call

    def _check(self, *_: object) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(scope="module")
def writes(spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of all files and folders that a run puts in place, in order."""
    with pytest.MonkeyPatch.context() as patch:
        disk = FullDisk(patch, None)
        run_here(open_store(tmp_path_factory.mktemp("watched")), RUN, spec)
    return list(dict.fromkeys(disk.seen))


def test_the_disk_fills_at_each_write_in_turn(spec, whole_run, writes, tmp_path):
    assert {"checkpoint", "perplexity.json", "README.md", "result.json"} <= set(writes)
    for name in writes[1:]:  # the first is the spec, written before the run is one
        store = open_store(tmp_path / name)
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(patch, name)
            try:
                job = run_here(store, RUN, spec)
            except DiskFull as error:  # before there was a job
                job, said = None, str(error)
            else:
                job = jobs.status(store, RUN) or job
                said = job.error or ""
            assert disk.full
        assert "The disk is full" in said, (name, job)
        assert job is None or job.state in jobs.STOPPED
        assert_whole(store.home)
        assert run_here(store, RUN, spec).state == "done"
        assert_whole(store.home)
        assert lasting(store.result(RUN)) == whole_run[0]


def test_the_disk_fills_in_the_middle_of_the_weights(spec, whole_run, tmp_path, monkeypatch):
    def half(self, folder, **_):
        (Path(folder) / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = open_store(tmp_path)
    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", half)
    job = run_here(store, RUN, spec)
    assert job.state == "failed" and "The disk is full" in (job.error or "")
    assert_whole(store.home)
    monkeypatch.undo()
    assert run_here(store, RUN, spec).state == "done"
    assert lasting(store.result(RUN)) == whole_run[0]


def test_a_lost_terminal_is_resumed_by_the_same_command(spec, whole_run, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path / "home"))
    recipe, store = tmp_path / "recipe.json", open_store(tmp_path / "home")
    recipe.write_text(dumps(spec), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:  # the child comes as far as that and no further, however slow we are
        patch.setattr("prune_core.pipeline.measuring.speed", wait_to_be_killed)
        child = in_a_child(lambda: app(["run", str(recipe)], standalone_mode=False))
    wait_for(lambda: any(store.home.glob("runs/run-*/parts/perplexity.json")))
    os.kill(child, signal.SIGHUP)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGHUP
    (run_id,) = jobs.ids(store, "run")
    assert catalogue.entry(store, run_id).state == "interrupted"
    again = CliRunner().invoke(app, ["run", str(recipe)], catch_exceptions=False)
    assert f"Resuming {run_id}" in again.output and "acc" in again.output
    assert jobs.ids(store, "run") == [run_id] and lasting(store.result(run_id)) == whole_run[0]
    refused = CliRunner().invoke(app, ["run", str(recipe), "--resume", run_id])
    assert isinstance(refused.exception, UserError) and "it is done" in str(refused.exception)


@pytest.fixture
def real_worker(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    jobs.stop_worker(store)


def test_the_real_worker_is_killed_and_the_run_resumed(real_worker, spec, whole_run):
    store = real_worker
    run_id = jobs.submit(store, spec)
    wait_for(lambda: any(store.folder(run_id).glob("parts/perplexity.json")))
    jobs.stop_worker(store)
    job = jobs.status(store, run_id)
    assert job is not None and job.state == "interrupted" and "killed (signal 9)" in (job.error or "")
    assert jobs.submit(store, spec, run_id) == run_id
    assert jobs.wait(store, run_id, 120).state == "done"
    assert_whole(store.home / "runs")
    assert lasting(store.result(run_id)) == whole_run[0]


def test_the_app_is_killed_and_the_worker_finishes_its_job(real_worker, spec):
    code = """
import sys, time
from pathlib import Path
from prune_core.pipeline.house import open_store
from prune_core.schema.run import RunSpec
from prune_core.store import jobs
from prune_core.store.files import read_json
print(jobs.submit(open_store(Path(sys.argv[1])), read_json(Path(sys.argv[2]), RunSpec)), flush=True)
time.sleep(600)
"""
    recipe = real_worker.home / "recipe.json"
    recipe.write_text(dumps(spec), encoding="utf-8")
    command = [sys.executable, "-c", code, str(real_worker.home), str(recipe)]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    run_id = client.stdout.readline().strip()
    client.kill()
    client.wait()
    wait_for(lambda: (job := jobs.status(real_worker, run_id)) is not None and job.state == "done")
    wait_for(lambda: jobs.worker_pid(real_worker) is None)  # it leaves when nobody is there


def wait_for(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
