"""Start, watch and cancel jobs, from any process: the pages, the command line, tests. worker.py is the running side.

A job is a folder in the store plus an entry in the queue. Whoever removes the entry owns the job: the worker, to run
it, or a client, to cancel it. Whoever runs a job holds a lock in its folder, so that a dead runner is noticed at once.
"""

import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from prune_core.schema.errors import UserError
from prune_core.schema.fingerprint import fingerprint
from prune_core.schema.job import Job, Result, Spec
from prune_core.schema.run import RunSpec
from prune_core.store.files import DiskFull
from prune_core.store.store import Store

STOPPED = ("failed", "cancelled", "interrupted")  # these go on where they were, when submitted again under their id
FINISHED = ("done", *STOPPED)
QUEUING_S = 5.0  # between a job's first line and its place in the queue at most
GRACE_S = 10.0  # a cancelled job that reaches no tick for so long costs the worker its life


def job_id(spec: Spec) -> str:
    """The id of the job for `spec`. Same question, same id, so its answer is kept; every run is new."""
    if spec.answer == "new":
        return f"{spec.kind}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return f"{spec.kind}-{fingerprint(spec)}"


def submit(store: Store, spec: Spec, run_id: str | None = None) -> str:
    """Queue `spec` and return the job's id; a job that is done, running or waiting already is not queued again."""
    run_id = run_id or job_id(spec)
    job = status(store, run_id)
    stays = ("queued", "running") if spec.answer == "anew" else ("queued", "running", "done")
    if job is not None and job.state in stays:  # free memory changes, so an inspection is never an old one
        return run_id
    (store.folder(run_id) / "cancel").unlink(missing_ok=True)
    store.save_spec(run_id, spec)
    store.save_job(Job(run_id, spec.kind, "queued"))
    queue = store.home / "queue"
    queue.mkdir(exist_ok=True)
    (queue / f"{int(not spec.quick)}-{time.time_ns():020d}-{run_id}").touch()
    ensure_worker(store)
    return run_id


def status(store: Store, run_id: str) -> Job | None:
    """How the job stands, None when there is none. A job whose process died is marked interrupted, with the reason."""
    job = store.job(run_id)
    if job is None or job.state in FINISHED:
        return job
    entries = waiting_ids(store)
    if run_id in entries:
        ensure_worker(store)  # a job must not wait for ever for a worker that died
        return replace(job, ahead=entries.index(run_id) + int(running(store) not in (None, run_id)))
    _kill_if_overdue(store, job)
    alive = is_locked(store.folder(run_id) / "lock") or (job.state == "queued" and _is_being_moved(store, run_id))
    return job if alive else _bury(store, run_id)


def wait(store: Store, run_id: str, timeout_s: float, poll_s: float = 0.02) -> Job:
    """The job once it is finished, or as it stands after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while True:
        job = status(store, run_id)
        if job is None:
            raise UserError(f"There is no job {run_id}: it was deleted; start it again.")
        if job.state in FINISHED or time.monotonic() > deadline:
            return job
        time.sleep(poll_s)


def result(store: Store, spec: Spec) -> Result | None:
    """The kept answer to `spec`, or None when it was never finished."""
    run_id = job_id(spec)
    job = store.job(run_id)
    return store.result(run_id) if job is not None and job.state == "done" else None


def cancel(store: Store, run_id: str) -> None:
    """Ask the job to stop. A waiting one stops at once, a running one at its next tick, a stuck one after GRACE_S."""
    for entry in waiting(store):
        if entry.name.endswith(f"-{run_id}"):
            with suppress(FileNotFoundError):  # the worker was quicker: the flag below stops it
                entry.unlink()
                job = store.job(run_id)
                if job is not None:
                    store.save_job(replace(job, state="cancelled"))
                return
    if store.folder(run_id).exists():
        (store.folder(run_id) / "cancel").touch()


def waiting(store: Store) -> list[Path]:
    """The queue's entries, next first; each is named <priority>-<time>-<job id>."""
    return sorted((store.home / "queue").glob("[01]-*"))


def waiting_ids(store: Store) -> list[str]:
    """The ids of the jobs that wait, next first."""
    return [entry.name.split("-", 2)[2] for entry in waiting(store)]


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock at `path`."""
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def worker_pid(store: Store) -> int | None:
    """The process id of the living worker, or None."""
    return _worker(store).get("pid") if is_locked(store.home / "worker.lock") else None


def running(store: Store) -> str | None:
    """The id of the job that the worker runs now, or None."""
    return _worker(store).get("job") if worker_pid(store) else None


def ensure_worker(store: Store) -> None:
    """Start the worker unless one lives. It leads a session of its own, so Ctrl+C in the terminal does not reach it."""
    if is_locked(store.home / "worker.lock"):
        return
    orphan = _worker(store).get("job")
    if orphan and orphan not in waiting_ids(store):  # queued again since, it is no orphan
        status(store, orphan)  # marks it interrupted while the dead worker's exit code can still be read
    if shutil.disk_usage(store.home).free == 0:
        raise DiskFull(store.home / "worker.json")
    log = os.open(store.home / "worker.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    # posix_spawn, not subprocess: _exit_code alone may wait for the child, to learn how it died.
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "prune_core", "worker", "--parent", str(os.getpid())],
        os.environ | {"LAYERSCOPE_HOME": str(store.home), "PYTHONPATH": _import_path()},
        file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)],
        setsid=True,
    )
    os.close(log)
    while worker_pid(store) is None:
        if os.waitpid(pid, os.WNOHANG)[0] == pid and worker_pid(store) is None:
            raise UserError(f"The worker process did not start: see the end of {store.home / 'worker.log'}.")
        time.sleep(0.02)


def stop_worker(store: Store) -> None:
    """Kill the worker, if one lives, and wait until it is gone."""
    while (pid := worker_pid(store)) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _worker(store: Store) -> dict:
    try:
        return json.loads((store.home / "worker.json").read_text())
    except FileNotFoundError:
        return {}


def _kill_if_overdue(store: Store, job: Job) -> None:
    with suppress(FileNotFoundError):
        asked = (store.folder(job.id) / "cancel").stat().st_mtime
        if time.time() - asked > GRACE_S and running(store) == job.id:
            stop_worker(store)


def _is_being_moved(store: Store, run_id: str) -> bool:
    """Whether a job that is neither in the queue nor locked is on its way: into the queue, or to the worker."""
    if running(store) == run_id:
        return True
    with suppress(FileNotFoundError):
        return time.time() - (store.folder(run_id) / "progress.json").stat().st_mtime < QUEUING_S
    return False


def _bury(store: Store, run_id: str) -> Job | None:
    """Mark the job of a dead process: done where its result was kept already, else cancelled or interrupted."""
    job = store.job(run_id)
    if job is None or job.state in FINISHED:  # it finished between two looks
        return job
    death = _death(store)
    if isinstance(store.spec(run_id), RunSpec) and (store.folder(run_id) / "result.json").exists():
        job = replace(job, state="done")
    elif (store.folder(run_id) / "cancel").exists():
        job = replace(job, state="cancelled")
    else:
        job = replace(job, state="interrupted", error=death)
    store.clean(run_id)
    try:
        store.save_job(job)
    except DiskFull as full:  # as likely as not, what killed it
        job = replace(job, error=str(full))
    return job


def _death(store: Store) -> str:
    code = _exit_code(_worker(store).get("pid"))
    if code == -signal.SIGKILL:
        return "The worker process was killed (signal 9), often because memory ran out: resume or start the job again."
    how = f"was ended by signal {-code}" if code is not None and code < 0 else "ended unexpectedly"
    return (
        f"The process {how} while this job ran: resume or start it again, and see worker.log in {store.home} "
        "if it repeats."
    )


def _exit_code(pid: int | None) -> int | None:
    """How the child `pid` ended (negative: by that signal), None if it was no child of ours or lives."""
    with suppress(ChildProcessError):
        ended, wait_status = os.waitpid(pid, os.WNOHANG) if pid else (0, 0)
        if ended:
            return os.waitstatus_to_exitcode(wait_status)
    return None


def _import_path() -> str:
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
