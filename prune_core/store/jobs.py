"""Ask for jobs, watch and cancel them, from any process: the pages, the command line, tests. worker.py runs them.

A job is a row of the database. Asking twice is one row; whoever turns a row from "queued" to "running", in one
statement, owns the job; the owner is told from others by process id and start time. Reading how a job stands changes
nothing: `tend` is what starts a worker where one is missing, and marks the jobs of dead processes.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from sqlite3 import Row
from typing import Any

from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.fingerprint import fingerprint
from prune_core.schema.job import Job, Result, Spec
from prune_core.schema.reports import Preview
from prune_core.store import database, doorbell, processes, queue, run_lines, spawning
from prune_core.store.processes import Process
from prune_core.store.store import Store

STOPPED = ("failed", "cancelled", "interrupted")  # these resume from their last saved part when submitted again
FINISHED = ("done", *STOPPED)
GRACE_S = 10.0  # a cancelled job that reaches no tick for this long costs the worker its life
TEND_EVERY_S = 1.0
FOLLOW_EVERY_S = 0.3

ASK = """
INSERT INTO jobs (id, kind, state, quick, asked, subject, pid, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, quick = excluded.quick, asked = excluded.asked, subject = excluded.subject,
    pid = excluded.pid, started = excluded.started,
    stage = '', done = 0, total = 0, unit = 'steps', eta_s = NULL, error = NULL, cancel_asked = NULL,
    withdrawn = 0
"""
UNWITHDRAW = "UPDATE jobs SET withdrawn = 0, cancel_asked = NULL WHERE id = ? AND state = 'running' AND withdrawn = 1"


def job_id(spec: Spec) -> str:
    """The id of the job for `spec`. Same question, same id, so its answer is kept; every run is new."""
    if spec.answer == "new":
        return f"{spec.kind}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return f"{spec.kind}-{fingerprint(spec)}"


def subject(model: Any, calibration: Any) -> str:
    """A short name for "this model and this text", by which jobs about them are listed."""
    return sha256((serial.dumps(model) + serial.dumps(calibration)).encode()).hexdigest()[:16]


def subject_of(spec: Spec) -> str:
    """The subject of a spec, "" where it names no text."""
    calibration = getattr(spec, "calibration", None)
    return "" if calibration is None else subject(getattr(spec, "model", None), calibration)


# --- asking -----------------------------------------------------------------------------------------------------------


def submit(store: Store, spec: Spec, run_id: str | None = None, asker: str = "") -> str:
    """Queue `spec` and return the job's id; a job that is done, running or waiting already is not queued again.

    Starts the worker where none is, and wakes it. `asker`: who may withdraw the question again.
    """
    run_id = run_id or job_id(spec)
    if _ask(store, spec, run_id, None, spec.answer == "anew", asker):
        port = spawning.ensure_worker(store.home)
        doorbell.ring(port)
    return run_id


def take(store: Store, spec: Spec, run_id: str, again: bool = False) -> bool:
    """Make the job this process's own, to run here and now; false where it is done, or a living process runs it.

    `again`: also where it is done.
    """
    return _ask(store, spec, run_id, processes.this_process(), again, "")


def _ask(store: Store, spec: Spec, run_id: str, owner: Process | None, again: bool, asker: str) -> bool:
    """Put the job's row in the queue, or, with an `owner`, into its hands. Whether anything was to be done."""
    known = status(store, run_id)
    if known is not None and _stays(known.state, owner, again) and _waits(store, run_id, asker, known):
        return False  # asked on every rerun of a page: without a write
    with database.transaction(store.home) as rows:
        row = rows.execute("SELECT * FROM jobs WHERE id = ?", (run_id,)).fetchone()
        state = None if row is None else _state(store, row)
        if state != "done" or again:
            rows.execute("INSERT OR IGNORE INTO askers (job, asker) VALUES (?, ?)", (run_id, asker))
        if state is not None and _stays(state, owner, again):
            rows.execute(UNWITHDRAW, (run_id,))
            return False
        if (store.home / "trash" / run_id).exists():
            raise UserError(f"Run {run_id} is in the trash: restore it, then resume it.")
        store.save_spec(run_id, spec)
        state, asked = "running" if owner else "queued", time.time()
        values = (run_id, spec.kind, state, int(spec.quick), asked, subject_of(spec), *(owner or (None, None)))
        rows.execute(ASK, values)
    if spec.kind == "run":
        run_lines.keep(store, run_id)
    return True


def _waits(store: Store, run_id: str, asker: str, known: Job) -> bool:
    """Whether it is written down that `asker` waits for the job, or there is nothing to wait for."""
    if known.state == "done":
        return True
    found = database.read(store.home, "SELECT 1 FROM askers WHERE job = ? AND asker = ?", (run_id, asker))
    return bool(found) and not known.withdrawn


def _stays(state: str, owner: Process | None, again: bool) -> bool:
    """Whether a job in this state is left as it is when it is asked for."""
    return state == "running" or (state == "queued" and owner is None) or (state == "done" and not again)


def cancel(store: Store, run_id: str) -> None:
    """Ask the job to stop. A waiting one stops at once, a running one at its next tick, a stuck one after GRACE_S."""
    waiting = "UPDATE jobs SET state = 'cancelled' WHERE id = ? AND state = 'queued' RETURNING id"
    if not database.write(store.home, waiting, (run_id,)):
        running = "UPDATE jobs SET cancel_asked = ? WHERE id = ? AND state = 'running' AND cancel_asked IS NULL"
        database.write(store.home, running, (time.time(), run_id))


def withdraw(store: Store, run_id: str, asker: str) -> None:
    """Say that `asker` no longer waits for the answer; a job that nobody waits for is cancelled, and asked for again
    as if it had never been."""
    with database.transaction(store.home) as rows:
        rows.execute("DELETE FROM askers WHERE job = ? AND asker = ?", (run_id, asker))
        if rows.execute("SELECT 1 FROM askers WHERE job = ? LIMIT 1", (run_id,)).fetchone() is None:
            rows.execute("UPDATE jobs SET withdrawn = 1 WHERE id = ? AND state IN ('queued', 'running')", (run_id,))
            cancel(store, run_id)


# --- looking ----------------------------------------------------------------------------------------------------------


def status(store: Store, run_id: str) -> Job | None:
    """How the job stands, None when there is none. That of a dead process is "interrupted", with the reason."""
    rows = database.read(store.home, "SELECT * FROM jobs WHERE id = ?", (run_id,))
    return standing(store, rows[0]) if rows else None


def standing(store: Store, row: Row) -> Job:
    """The job of a row of the table, as it stands now."""
    job = Job(
        *(row["id"], row["kind"], row["state"], row["stage"], row["done"], row["total"], row["unit"]),
        *(row["eta_s"], row["error"]),
        withdrawn=bool(row["withdrawn"]),
    )
    if job.state == "queued":
        ahead = queue.ahead(store.home, row)
        return replace(job, ahead=ahead)
    state = _state(store, row)
    if state != job.state:
        return replace(job, state=state, eta_s=None, error=_death(store, row) if state == "interrupted" else None)
    return job


def _state(store: Store, row: Row) -> Any:
    """The state of a row, where that of a dead process is what became of its job."""
    if row["state"] != "running" or processes.is_alive(Process(row["pid"], row["started"])):
        return row["state"]
    if row["kind"] == "run" and store.has_result(row["id"]):
        return "done"
    return "cancelled" if row["cancel_asked"] is not None else "interrupted"


def _death(store: Store, row: Row) -> str:
    how = spawning.how_it_ended(row["pid"])
    if how == "killed":
        return "The worker process was killed (signal 9), often because memory ran out: resume or start the job again."
    log = store.home / spawning.LOG
    where = f", and see {log} if it repeats" if log.exists() else ""  # the command line works without a worker
    return f"The process {how} while this job ran: resume or start it again{where}."


def result(store: Store, spec: Spec) -> Result | None:
    """The kept answer to `spec`, or None when it was never finished."""
    return finished_result(store, job_id(spec))


def finished_result(store: Store, run_id: str) -> Result | None:
    """The result of the job, or None where it is not done."""
    job = status(store, run_id)
    return store.result(run_id) if job is not None and job.state == "done" else None


def wait(store: Store, run_id: str, timeout_s: float, poll_s: float = 0.02) -> Job:
    """The job once it is finished, or as it stands after `timeout_s` seconds; the worker is looked after meanwhile."""
    deadline, tended = time.monotonic() + timeout_s, -TEND_EVERY_S
    while True:
        job = status(store, run_id)
        if job is None:
            raise UserError(f"There is no job {run_id}: it was deleted; start it again.")
        now = time.monotonic()
        if job.state in FINISHED or now > deadline:
            return job
        if now - tended > TEND_EVERY_S:
            tend(store)
            tended = now
        time.sleep(poll_s)


def follow(store: Store, run_id: str, watch: Callable[[Job], None]) -> Job:
    """Watch a job that another process runs until it is finished; `watch` sees it a few times a second."""
    while (job := wait(store, run_id, FOLLOW_EVERY_S)).state not in FINISHED:
        watch(job)
    return job


def waiting_ids(store: Store) -> list[str]:
    """The ids of the jobs that wait, next first."""
    return queue.waiting(store.home)


def ids(store: Store, kind: str, about: str | None = None) -> list[str]:
    """The ids of all jobs of `kind`, those asked for last first; `about`: only those with this `subject`."""
    query = "SELECT id FROM jobs WHERE kind = ? AND (? IS NULL OR subject = ?) ORDER BY asked DESC, id DESC"
    return [row["id"] for row in database.read(store.home, query, (kind, about, about))]


def briefs(store: Store, kind: str, about: str) -> list[str]:
    """The brief results (JSON) of finished jobs of `kind` with this subject, the oldest first."""
    query = (
        "SELECT brief FROM jobs WHERE kind = ? AND subject = ? AND state = 'done' AND brief IS NOT NULL ORDER BY asked"
    )
    return [row["brief"] for row in database.read(store.home, query, (kind, about))]


def brief(result: Result) -> str | None:
    """A preview, or the one that comes with a result, as JSON: what lists of tried cuts are made of."""
    seen = result if isinstance(result, Preview) else getattr(result, "preview", None)
    return serial.dumps(seen) if isinstance(seen, Preview) else None


def worker_pid(store: Store) -> int | None:
    """The process id of the living worker, or None."""
    worker = spawning.living_worker(store.home)
    return worker.pid if worker else None


def running(store: Store) -> str | None:
    """The id of the job that the worker runs now, or None."""
    if worker_pid(store) is None:
        return None
    query = "SELECT id FROM jobs WHERE state = 'running' AND (pid, started) = (SELECT pid, started FROM worker)"
    rows = database.read(store.home, query)
    return rows[0]["id"] if rows else None


# --- looking after ----------------------------------------------------------------------------------------------------


def tend(store: Store) -> None:
    """Look after what nobody else would: mark the jobs of dead processes, end a worker that does not heed a
    cancellation, start one where jobs wait and none lives. Who watches a job calls this now and then."""
    for row in database.read(store.home, "SELECT * FROM jobs WHERE state = 'running'"):
        owner = Process(row["pid"], row["started"])
        overdue = row["cancel_asked"] is not None and time.time() - row["cancel_asked"] > GRACE_S
        if overdue:
            with database.transaction(store.home) as rows:  # it may have moved on to another job meanwhile
                still = rows.execute("SELECT 1 FROM jobs WHERE id = ? AND state = 'running'", (row["id"],)).fetchone()
                stuck = still is not None and owner == spawning.living_worker(store.home)
                if stuck:
                    processes.kill(owner)
            if stuck:
                spawning.wait_for_the_end(owner)
        if not processes.is_alive(owner):
            bury(store, row)
    if waiting_ids(store):
        doorbell.ring(spawning.ensure_worker(store.home))


def bury(store: Store, row: Row) -> None:
    """Write down what became of the job of a dead process. Another that took it over meanwhile is left alone."""
    job = standing(store, row)
    store.clean(job.id)
    database.write(
        store.home,
        "UPDATE jobs SET state = ?, error = ?, eta_s = NULL"
        " WHERE id = ? AND state = 'running' AND pid = ? AND started = ?",
        (job.state, job.error, job.id, row["pid"], row["started"]),
    )


def stop_worker(store: Store) -> None:
    """Kill the worker, if one lives, and wait until it is gone."""
    while (worker := spawning.living_worker(store.home)) is not None:
        processes.kill(worker)
        spawning.wait_for_the_end(worker)
