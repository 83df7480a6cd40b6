"""The running side of jobs: one worker process per store, one job at a time.

What a job does is passed in as a `Runner`, so this file knows no torch. The command line runs its jobs with `execute`.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache

import psutil

from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.job import Job, Result, Spec, State
from prune_core.schema.progress import Progress
from prune_core.store import adopt, database, jobs, processes, queue, run_lines, spawning
from prune_core.store.disk_full import DiskFull, is_disk_full
from prune_core.store.doorbell import Doorbell
from prune_core.store.processes import Process
from prune_core.store.store import Store

LOOK_EVERY_S = 1.0
"""A worker without work sleeps until it is woken, and looks for work and for its parent this often all the same."""

WRITE_EVERY_S = 0.1
Runner = Callable[[str, Spec, Progress], Result]  # (job id, spec, progress) -> result

TELL = """
UPDATE jobs SET state = ?, stage = ?, done = ?, total = ?, unit = ?, eta_s = ?, error = ?, brief = coalesce(?, brief)
WHERE id = ? AND state = 'running' AND pid = ? AND started = ?
RETURNING cancel_asked
"""
END = """
UPDATE jobs SET state = ?, error = ?, eta_s = NULL
WHERE id = ? AND state = 'running' AND pid = ? AND started = ?
"""
BECOME = "UPDATE worker SET pid = ?, started = ?, port = ?"
LEAVE = """
UPDATE worker SET pid = NULL, started = NULL, port = NULL
WHERE pid = ? AND started = ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE state = 'queued')
RETURNING only
"""


class JobProgress:
    """A `Progress` that keeps the job's row current (ten times a second at most) and heeds cancellation.

    `watch` is called with the job after each write, for whoever draws it.
    """

    def __init__(self, store: Store, job: Job, watch: Callable[[Job], None] = lambda job: None) -> None:
        self._store, self._watch, self._owner = store, watch, processes.this_process()
        self._begun = self._written = 0.0
        self.job = job
        self._write()

    def stage(self, name: str, total: int, unit: str = "steps") -> None:
        self.job = replace(self.job, stage=name, done=0, total=total, unit=unit, eta_s=None)
        self._begun = time.monotonic()
        self._write()

    def advance(self, done: int = 1) -> None:
        finished = self.job.done + done
        elapsed = time.monotonic() - self._begun
        eta = elapsed / finished * max(self.job.total - finished, 0) if finished else None
        self.job = replace(self.job, done=finished, eta_s=eta)
        if time.monotonic() - self._written > WRITE_EVERY_S:
            self._write()

    def finish(self, state: State, error: str | None = None, brief: str | None = None) -> None:
        """Write how the job ended."""
        self.job = replace(self.job, state=state, error=error, eta_s=None)
        if self._tell(brief):
            database.write(self._store.home, "DELETE FROM askers WHERE job = ?", (self.job.id,))  # it is answered
        self._watch(self.job)

    def _write(self) -> None:
        told = self._tell(None)
        self._written = time.monotonic()
        self._watch(self.job)
        if not told or told[0]["cancel_asked"] is not None:  # no row: it was deleted, or is somebody else's by now
            raise Cancelled

    def _tell(self, brief: str | None) -> list:
        job = self.job
        values = (job.state, job.stage, job.done, job.total, job.unit, job.eta_s, job.error, brief)
        return database.write(self._store.home, TELL, (*values, job.id, *self._owner))


def execute(store: Store, run_id: str, run: Runner, watch: Callable[[Job], None] = lambda job: None) -> Job | None:
    """Run one job that this process has claimed to its end; its final state is written, unless there is no room."""
    try:
        spec = store.spec(run_id)
    except UserError as error:  # a damaged file
        _end(store, run_id, "failed", str(error))
        return jobs.status(store, run_id)
    if spec is None:  # its folder was deleted while it waited
        database.write(store.home, "DELETE FROM jobs WHERE id = ?", (run_id,))
        return None
    job = Job(run_id, spec.kind, "running")
    try:
        store.clean(run_id)
        store.clean_shared()
        try:
            progress = JobProgress(store, job, watch)
        except Cancelled:  # before its first tick
            _end(store, run_id, "cancelled")
            return jobs.status(store, run_id)
        job = _do(store, run_id, spec, run, progress)
    except DiskFull as full:  # not even the end can be written here; `jobs.status` tells it once this process is gone
        traceback.print_exc()
        job = replace(job, state="interrupted", error=str(full))
        _end(store, run_id, "interrupted", str(full))
    return job


def _do(store: Store, run_id: str, spec: Spec, run: Runner, progress: JobProgress) -> Job:
    try:
        result = run(run_id, spec, progress)
        store.save_result(run_id, result)
        if spec.kind == "run":
            run_lines.keep(store, run_id)  # first, so that no list shows it as done without its figures
        progress.finish("done", brief=jobs.brief(result))
    except Cancelled:
        progress.finish("cancelled")
    except KeyboardInterrupt:
        progress.finish("cancelled")
        raise
    except UserError as error:
        progress.finish("failed", str(error))
    except Exception as error:  # the worker outlives any job: the fault is logged whole and shown in short
        traceback.print_exc()
        short = f"{type(error).__name__}: {str(error)[:300] or 'no message'}"
        inside = f"This failed inside LayerScope ({short}): worker.log has the details."
        progress.finish("failed", str(DiskFull(store.folder(run_id))) if is_disk_full(error) else inside)
    return progress.job


def _end(store: Store, run_id: str, state: State, error: str | None = None) -> None:
    """Write the end of a job past its progress. Where there is no room even for that, `_settle` does it later."""
    with suppress(DiskFull):
        database.write(store.home, END, (state, error, run_id, *processes.this_process()))


def _settle(store: Store, me: Process) -> None:
    """An idle worker runs nothing: what is still written as run by it ended when the disk was full."""
    mine = "SELECT id FROM jobs WHERE state = 'running' AND pid = ? AND started = ?"
    for row in database.read(store.home, mine, me):
        _end(store, row["id"], "interrupted", str(DiskFull(store.folder(row["id"]))))


# --- the worker process -----------------------------------------------------------------------------------------------


def serve(store: Store, make_runner: Callable[[], Runner], parent: int | None = None) -> None:
    """Run queued jobs until the process `parent` is gone and nothing waits. Returns at once if another worker lives.

    `make_runner` is called for the first job, inside it: heavy imports that fail then fail a job, with their reason.
    """
    me = processes.this_process()
    above = _process(parent)
    with Doorbell() as bell:
        if not _become(store, me, bell.port):
            return
        store.clean_all()
        adopt.refresh(store)
        jobs.tend(store)
        runner = cache(make_runner)
        while True:
            claimed = queue.claim(store.home, me)
            if claimed is not None:
                execute(store, claimed, lambda run_id, spec, progress: runner()(run_id, spec, progress))
                _rotate_log(store)
                continue
            _settle(store, me)
            if spawning.living_worker(store.home) != me:  # the database was lost, and another took over
                return
            alone = parent is not None and (above is None or not processes.is_alive(above))
            if alone and database.write(store.home, LEAVE, me):  # not while a job was queued this very moment
                return
            bell.wait(LOOK_EVERY_S)


def _become(store: Store, me: Process, port: int) -> bool:
    """Make this process the worker, unless another one lives."""
    with database.transaction(store.home) as rows:
        row = rows.execute("SELECT pid, started FROM worker").fetchone()
        if row["pid"] is not None and processes.is_alive(Process(row["pid"], row["started"])):
            return False
        rows.execute(BECOME, (*me, port))
    return True


def _process(pid: int | None) -> Process | None:
    try:
        return None if pid is None else processes.process(pid)
    except psutil.NoSuchProcess:
        return None


def _rotate_log(store: Store) -> None:
    """Go on in a new log where the old one has grown large; only where this process writes into it."""
    log = store.home / spawning.LOG
    with suppress(OSError):
        if os.path.samestat(os.fstat(sys.stdout.fileno()), os.stat(log)) and spawning.rotate_log(store.home):
            with open(log, "ab") as new:
                os.dup2(new.fileno(), 1)
                os.dup2(new.fileno(), 2)
