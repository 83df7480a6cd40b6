"""Which job comes next: those that a person waits for before the others, each kind in the order of asking."""

from pathlib import Path
from sqlite3 import Row

from prune_core.store import database
from prune_core.store.processes import Process

ORDER = "ORDER BY quick DESC, asked"
"""The order of waiting jobs; the index jobs_waiting of database.py serves it."""

BEFORE = "(quick, -asked) > (?, -?)"
"""The same as a condition: whether a job comes before one that is `quick` and was `asked` for then."""

CLAIM = f"""
UPDATE jobs SET state = 'running', pid = ?, started = ?
WHERE id = (SELECT id FROM jobs WHERE state = 'queued' {ORDER} LIMIT 1) AND state = 'queued'
    AND EXISTS (SELECT 1 FROM worker WHERE pid = ? AND started = ?)
RETURNING id
"""
AHEAD = f"""
SELECT count(*) FROM jobs WHERE state = 'queued' AND {BEFORE} OR
    state = 'running' AND (pid, started) = (SELECT pid, started FROM worker)
"""


def claim(home: Path, worker: Process) -> str | None:
    """Give the next job to `worker`, in one statement, and return its id; None where none waits, or another process is
    the worker by now."""
    rows = database.write(home, CLAIM, (*worker, *worker))
    return rows[0]["id"] if rows else None


def waiting(home: Path) -> list[str]:
    """The ids of the jobs that wait, next first."""
    return [row["id"] for row in database.read(home, f"SELECT id FROM jobs WHERE state = 'queued' {ORDER}")]


def ahead(home: Path, row: Row) -> int:
    """How many jobs come before the waiting one of this row, the one that the worker runs among them."""
    return int(database.read(home, AHEAD, (row["quick"], row["asked"]))[0][0])
