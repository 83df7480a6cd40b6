"""Jobs: queue order, cancel, failure, and what is left when the worker is killed."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import MeasureSpec, PreviewSpec
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import Plan, drop_plan
from prune_core.schema.reports import Preview
from prune_core.store import jobs, worker

PREVIEW = Preview(drop_plan(4, (1,)), 1.0, 1.5, 0.1, 100, 0.2)

# A worker whose jobs are slow in known ways: calibration.samples is the number of ticks of 20 ms.
SLOW_WORKER = """
import sys, time
from pathlib import Path
from prune_core.pipeline.house import open_store
from prune_core.schema.errors import UserError
from prune_core.schema.plan import drop_plan
from prune_core.schema.reports import Preview
from prune_core.store import worker

def run(run_id, spec, progress):
    if spec.calibration.source == "bad":
        raise UserError("The text is bad: choose another.")
    if spec.calibration.source == "bug":
        raise ZeroDivisionError("oops")
    if spec.calibration.source == "stuck":
        time.sleep(60)
    progress.stage("working", spec.calibration.samples)
    for _ in range(spec.calibration.samples):
        time.sleep(0.02)
        progress.advance()
    return Preview(drop_plan(4, (1,)), 1.0, 1.5, 0.1, 100, 0.2)

worker.serve(open_store(Path(sys.argv[1])), lambda: run)
"""


def spec(source="demo", ticks=1, layer=1):
    return PreviewSpec(ModelRef(), Calibration(source, samples=ticks), drop_plan(4, (layer,)))


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path)


@pytest.fixture
def slow_worker(store):
    process = subprocess.Popen([sys.executable, "-c", SLOW_WORKER, str(store.home)])
    while jobs.worker_pid(store) is None:
        assert process.poll() is None
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


@pytest.mark.usefixtures("slow_worker")
def test_a_job_runs_and_its_answer_is_kept(store):
    job_id = jobs.submit(store, spec())
    assert jobs.wait(store, job_id, 10).state == "done"
    assert jobs.result(store, spec()) == PREVIEW
    assert jobs.submit(store, spec()) == job_id
    assert jobs.waiting(store) == []  # the same question is not asked again


@pytest.mark.usefixtures("slow_worker")
def test_progress_tells_the_time_left(store):
    job_id = jobs.submit(store, spec(ticks=60))
    time.sleep(0.6)
    job = jobs.status(store, job_id)
    assert job is not None
    assert (job.state, job.stage, job.total) == ("running", "working", 60)
    assert 0 < job.done < 60
    assert job.eta_s is not None
    assert 0.1 < job.eta_s < 5


@pytest.mark.usefixtures("slow_worker")
def test_errors_are_told_and_the_worker_lives_on(store):
    bad, bug = (jobs.wait(store, jobs.submit(store, spec(source)), 10) for source in ("bad", "bug"))
    assert (bad.state, bad.error) == ("failed", "The text is bad: choose another.")
    assert bug.state == "failed"
    assert "ZeroDivisionError: oops" in (bug.error or "")
    assert jobs.wait(store, jobs.submit(store, spec()), 10).state == "done"


@pytest.mark.usefixtures("slow_worker")
def test_cancel_a_running_and_a_waiting_job(store):
    running = jobs.submit(store, spec(ticks=500))
    waits = jobs.submit(store, spec(ticks=501))
    while (job := jobs.status(store, running)) is None or job.state != "running":
        time.sleep(0.01)
    waiting_job = jobs.status(store, waits)
    assert waiting_job is not None
    assert (waiting_job.state, waiting_job.ahead) == ("queued", 1)
    jobs.cancel(store, waits)
    jobs.cancel(store, running)
    assert jobs.wait(store, waits, 5).state == "cancelled"
    assert jobs.wait(store, running, 5).state == "cancelled"
    assert store.result(running) is None
    again = jobs.submit(store, spec(ticks=500))  # a cancelled job may be started again
    assert jobs.wait(store, again, 0.3).state in ("queued", "running")
    jobs.cancel(store, again)


def test_a_person_waiting_goes_before_a_long_job(store, slow_worker):
    os.kill(slow_worker.pid, signal.SIGSTOP)
    jobs.submit(store, MeasureSpec(ModelRef(), Calibration()))
    jobs.submit(store, spec())
    assert [entry.name.split("-")[2] for entry in jobs.waiting(store)] == ["preview", "measure"]
    os.kill(slow_worker.pid, signal.SIGCONT)


def test_killed_in_mid_job(store, slow_worker):
    job_id = jobs.submit(store, spec(ticks=500))
    while (job := jobs.status(store, job_id)) is None or job.state != "running":
        time.sleep(0.01)
    slow_worker.kill()
    slow_worker.wait()
    job = jobs.status(store, job_id)
    assert job is not None
    assert job.state == "interrupted"
    assert "process" in (job.error or "")
    assert store.result(job_id) is None
    assert not list(store.home.glob("runs/*/.*"))


def test_a_stuck_job_is_killed_after_the_grace(store, slow_worker, monkeypatch):
    monkeypatch.setattr(jobs, "GRACE_S", 0.3)
    job_id = jobs.submit(store, spec("stuck"))
    while (job := jobs.status(store, job_id)) is None or job.state != "running":
        time.sleep(0.01)
    jobs.cancel(store, job_id)
    threading.Thread(target=slow_worker.wait).start()
    assert jobs.wait(store, job_id, 10).state == "cancelled"


def test_only_one_worker_a_store(store, slow_worker):
    worker.serve(store, lambda: pytest.fail("a second worker must not get as far as loading anything"))
    assert jobs.worker_pid(store) == slow_worker.pid


def test_the_real_worker_starts_and_reports(store):
    refused = PreviewSpec(ModelRef("/nowhere/at/all"), Calibration(), Plan(4))
    job = jobs.wait(store, jobs.submit(store, refused), 120)
    jobs.stop_worker(store)
    assert job.state == "failed"
    assert "/nowhere/at/all" in (job.error or "")


def test_unknown_jobs(store):
    assert jobs.status(store, "run-none") is None
    with pytest.raises(UserError, match="There is no job"):
        jobs.wait(store, "run-none", 1)
