"""Jobs: queue order, cancel, failure, what is left when the worker is killed, and many that ask at once."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import MeasureSpec, PreviewSpec
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import Plan, drop_plan
from prune_core.schema.reports import Preview
from prune_core.store import database, jobs, processes, spawning, worker
from prune_core.store.disk_full import DiskFull
from prune_core.store.processes import Process
from prune_core.store.store import Store

PREVIEW = Preview(drop_plan(4, (1,)), 1.0, 1.5, 0.1, 100, 0.2)

# A worker whose jobs are slow in known ways: calibration.samples is the number of ticks of 20 ms. Each run of a job
# leaves a line in the file "ran".
SLOW_WORKER = """
import sys, time
from pathlib import Path
from prune_core.pipeline.house import open_store
from prune_core.schema.errors import UserError
from prune_core.schema.plan import drop_plan
from prune_core.schema.reports import Preview
from prune_core.store import worker

def run(run_id, spec, progress):
    with open(Path(sys.argv[1]) / "ran", "a") as file:
        file.write(f"{run_id}\\n")
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


def start_slow_worker(store: Store) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", SLOW_WORKER, str(store.home)])
    while jobs.worker_pid(store) != process.pid:
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.fixture
def slow_worker(store):
    process = start_slow_worker(store)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def no_worker(monkeypatch):
    monkeypatch.setattr(spawning, "ensure_worker", lambda home: 0)


@pytest.mark.usefixtures("slow_worker")
def test_a_job_runs_and_its_answer_is_kept(store):
    job_id = jobs.submit(store, spec())
    assert jobs.wait(store, job_id, 10).state == "done"
    assert jobs.result(store, spec()) == PREVIEW
    assert jobs.submit(store, spec()) == job_id
    assert jobs.waiting_ids(store) == []  # the same question is not asked again
    assert jobs.briefs(store, "preview", jobs.subject_of(spec())) != []


@pytest.mark.usefixtures("slow_worker")
def test_progress_tells_the_time_left(store):
    job_id = jobs.submit(store, spec(ticks=60))
    while (job := jobs.status(store, job_id)) is None or job.done < 10:
        time.sleep(0.02)
    assert (job.state, job.stage, job.total) == ("running", "working", 60)
    assert job.done < 60
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
    wait_until_running(store, running)
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


def test_a_person_waiting_goes_before_a_long_job(store, no_worker):
    long, second = MeasureSpec(ModelRef(), Calibration()), MeasureSpec(ModelRef(), Calibration(seed=1))
    order = [jobs.submit(store, each) for each in (long, second, spec(layer=1), spec(layer=2))]
    assert jobs.waiting_ids(store) == [order[2], order[3], order[0], order[1]]
    ahead = [jobs.status(store, each).ahead for each in order]  # pyright: ignore[reportOptionalMemberAccess]
    assert ahead == [2, 3, 0, 1]


def test_killed_in_mid_job(store, slow_worker):
    job_id = jobs.submit(store, spec(ticks=500))
    wait_until_running(store, job_id)
    slow_worker.kill()
    slow_worker.wait()
    job = jobs.status(store, job_id)
    assert job is not None
    assert job.state == "interrupted"
    assert "process" in (job.error or "")
    assert store.result(job_id) is None
    assert not list(store.home.glob("runs/*/.*"))


def test_looking_at_a_dead_workers_job_changes_nothing(store, slow_worker, monkeypatch):
    job_id = jobs.submit(store, spec(ticks=500))
    wait_until_running(store, job_id)
    slow_worker.kill()
    slow_worker.wait()
    monkeypatch.setattr(database, "write", lambda *_: pytest.fail("a look wrote"))
    monkeypatch.setattr(spawning, "_start", lambda home: pytest.fail("a look started a process"))
    for look in (jobs.status, lambda store, _: jobs.waiting_ids(store), lambda store, _: jobs.running(store)):
        look(store, job_id)
    assert row(store, job_id)["state"] == "running"
    monkeypatch.undo()
    jobs.tend(store)
    assert row(store, job_id)["state"] == "interrupted"


def test_a_stuck_job_is_killed_after_the_grace(store, slow_worker, monkeypatch):
    monkeypatch.setattr(jobs, "GRACE_S", 0.3)
    job_id = jobs.submit(store, spec("stuck"))
    wait_until_running(store, job_id)
    jobs.cancel(store, job_id)
    threading.Thread(target=slow_worker.wait).start()
    assert jobs.wait(store, job_id, 10).state == "cancelled"


def test_nobody_kills_a_process_that_took_over_the_id(store, monkeypatch):
    bystander = subprocess.Popen(["sleep", "60"])
    its = processes.process(bystander.pid)
    database.write(store.home, worker.BECOME, (its.pid, "another start", 0))  # the worker had this id before it
    assert jobs.worker_pid(store) is None
    jobs.stop_worker(store)
    processes.kill(Process(its.pid, "another start"))
    assert bystander.poll() is None and processes.is_alive(its)
    processes.kill(its)
    assert bystander.wait(5) == -signal.SIGKILL and not processes.is_alive(its)


def test_only_one_worker_a_store(store, slow_worker):
    worker.serve(store, lambda: pytest.fail("a second worker must not get as far as loading anything"))
    assert jobs.worker_pid(store) == slow_worker.pid


def test_the_real_worker_starts_and_reports(store):
    refused = PreviewSpec(ModelRef("/nowhere/at/all"), Calibration(), Plan(4))
    job = jobs.wait(store, jobs.submit(store, refused), 120)
    jobs.stop_worker(store)
    assert job.state == "failed"
    assert "/nowhere/at/all" in (job.error or "")


def test_an_idle_worker_sleeps_and_wakes_at_once(store, slow_worker):
    jobs.wait(store, jobs.submit(store, spec()), 10)
    busy = cpu_seconds(slow_worker.pid)
    time.sleep(2)
    assert cpu_seconds(slow_worker.pid) - busy < 0.05
    latencies = []
    for layer in range(5):
        begun = time.monotonic()
        jobs.wait(store, jobs.submit(store, spec(layer=layer % 4, ticks=2 + layer)), 10, poll_s=0.002)
        latencies.append(time.monotonic() - begun - 0.02 * (2 + layer))
    assert sorted(latencies)[2] < 0.3  # a worker that only looked once a second would take half a second


def test_the_log_is_put_aside_when_it_is_large(store):
    log = store.home / spawning.LOG
    log.write_bytes(b"x" * (spawning.LOG_BYTES + 1))
    assert spawning.rotate_log(store.home) and not log.exists()
    assert log.with_name("worker.log.1").stat().st_size == spawning.LOG_BYTES + 1
    assert not spawning.rotate_log(store.home)


def test_a_full_disk_is_told_as_that(store):
    database.write(store.home, "PRAGMA max_page_count = 1")
    with pytest.raises(DiskFull):
        database.write(store.home, "UPDATE worker SET port = ?", ("x" * 1_000_000,))


def test_unknown_jobs(store):
    assert jobs.status(store, "run-none") is None
    with pytest.raises(UserError, match="There is no job"):
        jobs.wait(store, "run-none", 1)


# --- many at once -----------------------------------------------------------------------------------------------------

QUESTIONS = [spec(layer=layer % 4, ticks=1 + layer // 4) for layer in range(20)]


def ask_all(home: Path, seed: int) -> None:
    """Ask all questions in an order of one's own."""
    store, order = open_store(home), list(QUESTIONS)
    random.Random(seed).shuffle(order)
    for each in order:
        jobs.submit(store, each)


def test_two_hundred_threads_and_eight_processes_ask_the_same_twenty_jobs(store, no_worker):
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=ask_all, args=(store.home, seed)) for seed in range(8)]
    threads = [threading.Thread(target=ask_all, args=(store.home, seed)) for seed in range(200)]
    for each in (*children, *threads):
        each.start()
    slow = start_slow_worker(store)  # runs the first while others still ask
    for each in (*children, *threads):
        each.join()
    assert all(child.exitcode == 0 for child in children)
    for each in QUESTIONS:
        assert jobs.wait(store, jobs.job_id(each), 60).state == "done"
    slow.kill()
    slow.wait()
    ran = (store.home / "ran").read_text().split()
    assert sorted(ran) == sorted(jobs.job_id(each) for each in QUESTIONS), "each runs once"


def test_eight_that_want_the_same_answer_here_and_now_compute_it_once(store, tmp_path):
    def answer(number: int) -> None:
        mine = open_store(store.home)
        if jobs.take(mine, spec(), "preview-x"):
            worker.execute(mine, "preview-x", slowly)
        else:
            jobs.follow(mine, "preview-x", lambda job: None)
        (tmp_path / f"answer-{number}").write_text(str(mine.result("preview-x") == PREVIEW))

    def slowly(run_id, spec, progress):
        with open(tmp_path / "computed", "a") as file:
            file.write("once ")
        time.sleep(0.5)
        return PREVIEW

    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=answer, args=(number,)) for number in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    assert (tmp_path / "computed").read_text() == "once "
    assert [path.read_text() for path in tmp_path.glob("answer-*")] == ["True"] * 8


def test_thirty_kills_of_the_worker_lose_no_job(store, no_worker):
    rng, kills, slow = random.Random(3), 0, start_slow_worker(store)
    for each in QUESTIONS:
        jobs.submit(store, each)
    while kills < 30:
        time.sleep(rng.uniform(0, 0.15))
        slow.kill()
        slow.wait()
        kills += 1
        for each in QUESTIONS:  # what was interrupted is asked for again
            jobs.submit(store, each)
        assert {jobs.status(store, jobs.job_id(each)).state for each in QUESTIONS} <= {"queued", "done"}  # pyright: ignore[reportOptionalMemberAccess]
        slow = start_slow_worker(store)
    for each in QUESTIONS:
        assert jobs.wait(store, jobs.job_id(each), 60).state == "done"
        assert jobs.result(store, each) == PREVIEW
    slow.kill()
    slow.wait()


def wait_until_running(store: Store, job_id: str) -> None:
    while (job := jobs.status(store, job_id)) is None or job.state != "running":
        time.sleep(0.01)


def row(store: Store, job_id: str):
    return database.read(store.home, "SELECT * FROM jobs WHERE id = ?", (job_id,))[0]


def cpu_seconds(pid: int) -> float:
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / os.sysconf(
        "SC_CLK_TCK"
    )


# --- questions that are withdrawn -------------------------------------------------------------------------------------


def test_a_question_is_cancelled_once_nobody_waits_for_it(store, no_worker):
    asked = jobs.submit(store, spec(), asker="one")
    jobs.submit(store, spec(), asker="other")
    jobs.withdraw(store, asked, "one")
    assert jobs.waiting_ids(store) == [asked]
    jobs.withdraw(store, asked, "other")
    job = jobs.status(store, asked)
    assert job is not None and (job.state, job.withdrawn) == ("cancelled", True)
    assert jobs.waiting_ids(store) == []
    jobs.submit(store, spec(), asker="one")  # asked again, it is as if it had never been
    job = jobs.status(store, asked)
    assert job is not None and (job.state, job.withdrawn) == ("queued", False)


def test_what_was_asked_for_good_is_not_withdrawn(store, no_worker):
    asked = jobs.submit(store, spec())
    jobs.submit(store, spec(), asker="one")
    jobs.withdraw(store, asked, "one")
    assert jobs.waiting_ids(store) == [asked]


@pytest.mark.usefixtures("slow_worker")
def test_a_running_question_that_is_withdrawn_makes_room_for_the_next(store):
    first = jobs.submit(store, spec(ticks=500), asker="one")
    wait_until_running(store, first)
    jobs.withdraw(store, first, "one")
    begun = time.monotonic()
    assert jobs.wait(store, jobs.submit(store, spec(), asker="one"), 10).state == "done"
    assert time.monotonic() - begun < 5  # the first alone would take 10 s
    job = jobs.status(store, first)
    assert job is not None and job.withdrawn
    assert database.read(store.home, "SELECT count(*) FROM askers")[0][0] == 0


def test_what_could_not_be_written_on_a_full_disk_is_written_by_the_idle_worker(store):
    me = processes.this_process()
    assert jobs.take(store, spec(), "preview-x")
    worker._settle(store, me)
    job = jobs.status(store, "preview-x")
    assert job is not None and job.state == "interrupted" and "The disk is full" in (job.error or "")


def test_one_who_joins_a_withdrawn_question_is_answered(store, no_worker):
    asked = jobs.submit(store, spec(), asker="one")
    jobs.withdraw(store, asked, "one")
    for asker in ("other", "third"):
        jobs.submit(store, spec(), asker=asker)
    jobs.withdraw(store, asked, "third")
    assert jobs.waiting_ids(store) == [asked]


def test_a_job_of_the_command_line_is_not_withdrawn_by_a_page(store):
    assert jobs.take(store, spec(), jobs.job_id(spec()))
    jobs.submit(store, spec(), asker="page")
    jobs.withdraw(store, jobs.job_id(spec()), "page")
    assert row(store, jobs.job_id(spec()))["cancel_asked"] is None


@pytest.mark.usefixtures("slow_worker")
def test_a_damaged_spec_fails_its_job_and_not_the_worker(store):
    first = jobs.submit(store, spec(ticks=30))
    second = jobs.submit(store, spec(ticks=2))
    (store.folder(second) / "spec.json").write_text("{")
    assert jobs.wait(store, first, 10).state == "done"
    damaged = jobs.wait(store, second, 10)
    assert damaged.state == "failed" and "is not valid JSON" in (damaged.error or "")
    assert jobs.wait(store, jobs.submit(store, spec(ticks=1)), 10).state == "done"
