"""The running side of jobs: one worker process per store, one job at a time.

What a job does is passed in as a `Runner`, so this file knows no torch. The command line runs its jobs with `execute`.
"""

import fcntl
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.job import Job, Result, Spec, State
from prune_core.schema.progress import Progress
from prune_core.schema.run import RunSpec
from prune_core.store import catalogue, jobs
from prune_core.store.files import DiskFull, is_disk_full, write_text
from prune_core.store.store import Store

IDLE_POLL_S = 0.02
WRITE_EVERY_S = 0.1
Runner = Callable[[str, Spec, Progress], Result]  # (job id, spec, progress) -> result


class JobProgress:
    """A `Progress` that keeps progress.json current (ten times a second at most) and heeds the cancel flag.

    `watch` is called with the job after each write, for whoever draws it.
    """

    def __init__(self, store: Store, job: Job, watch: Callable[[Job], None] = lambda job: None) -> None:
        self._store, self._watch = store, watch
        self._flag = store.folder(job.id) / "cancel"
        self._begun = self._written = 0.0
        self.job = job
        self._write()

    def stage(self, name: str, total: int, unit: str = "steps") -> None:
        self.job = replace(self.job, stage=name, done=0, total=total, unit=unit, eta_s=None)
        self._begun = time.monotonic()
        self._write()
        self._heed()

    def advance(self, done: int = 1) -> None:
        finished = self.job.done + done
        elapsed = time.monotonic() - self._begun
        eta = elapsed / finished * max(self.job.total - finished, 0) if finished else None
        self.job = replace(self.job, done=finished, eta_s=eta)
        if time.monotonic() - self._written > WRITE_EVERY_S:
            self._write()
            self._heed()

    def finish(self, state: State, error: str | None = None) -> None:
        """Write how the job ended."""
        self.job = replace(self.job, state=state, error=error, eta_s=None)
        self._write()

    def _write(self) -> None:
        self._store.save_job(self.job)
        self._written = time.monotonic()
        self._watch(self.job)

    def _heed(self) -> None:
        if self._flag.exists():
            raise Cancelled


def execute(store: Store, run_id: str, run: Runner, watch: Callable[[Job], None] = lambda job: None) -> Job | None:
    """Run one job to its end in this process; its final state is written, unless the disk has no room for that."""
    spec = store.spec(run_id)
    if spec is None:  # its folder was deleted while it waited
        return None
    with _lock(store.folder(run_id) / "lock") as held:
        if not held:  # another process runs it at this moment
            return store.job(run_id)
        store.clean(run_id)
        store.clean_shared()
        progress = JobProgress(store, Job(run_id, spec.kind, "running"), watch)
        try:
            _do(store, run_id, spec, run, progress)
            if isinstance(spec, RunSpec):
                catalogue.entry(store, run_id)  # keeps its line, so that the first list of many runs is quick too
        except DiskFull:  # not even the end can be written: `jobs.status` finds it when the lock is gone, and says so
            traceback.print_exc()
        return progress.job


def _do(store: Store, run_id: str, spec: Spec, run: Runner, progress: JobProgress) -> None:
    try:
        store.save_result(run_id, run(run_id, spec, progress))
        progress.finish("done")
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


def serve(store: Store, make_runner: Callable[[], Runner], parent: int | None = None) -> None:
    """Run queued jobs until the process `parent` is gone and nothing waits. Returns at once if another worker lives.

    `make_runner` is called for the first job, inside it: heavy imports that fail then fail a job, with their reason.
    """
    with _lock(store.home / "worker.lock") as held:
        if not held:
            return
        _announce(store, None)
        store.clean_all()
        for folder in (store.home / "runs").glob("*"):
            with suppress(UserError):  # a damaged folder, which the runs page tells of
                jobs.status(store, folder.name)  # marks what a dead process left as interrupted
        runner = cache(make_runner)
        while True:
            claimed = _claim(store)
            if claimed is not None:
                execute(store, claimed, lambda run_id, spec, progress: runner()(run_id, spec, progress))
                _announce(store, None)
            elif parent is not None and os.getppid() != parent:
                return
            else:
                time.sleep(IDLE_POLL_S)


def _claim(store: Store) -> str | None:
    """Take the next job off the queue: removing its entry makes it ours, unless a client cancelled it first."""
    for entry in jobs.waiting(store):
        run_id = entry.name.split("-", 2)[2]
        _announce(store, run_id)  # before the entry goes, so that the job is never without an owner
        try:
            entry.unlink()
        except FileNotFoundError:
            continue
        return run_id
    return None


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Hold the lock at `path`; yields whether we got it. Others look at it for a moment at a time, hence the tries."""
    with open(path, "a+") as file:
        for _ in range(100):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)
            else:
                yield True
                return
        yield False


def _announce(store: Store, run_id: str | None) -> None:
    write_text(store.home / "worker.json", json.dumps({"pid": os.getpid(), "job": run_id}))
