"""The one SQLite database of a store: the rows of jobs and of runs, and who is the worker.

Write-ahead logging lets any number of processes read while one writes. Results, arrays and checkpoints stay files: a
row holds what is asked often, and a lost database is made again from the folders (adopt.py).
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prune_core.schema.errors import UserError
from prune_core.store.disk_full import DiskFull

NAME = "layerscope.db"
NEW, VERSION = 1, 2
"""SQLite's user_version: of tables that were just made, and once they hold what the folders held (adopt.py)."""

BUSY_S = 30.0
"""How long a statement waits for another process that writes. Writes here take a millisecond."""

TABLES = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    quick INTEGER NOT NULL,           -- a person waits for it, so it goes before the others
    asked REAL NOT NULL,              -- when it was put in the queue, seconds since 1970
    stage TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    unit TEXT NOT NULL DEFAULT 'steps',
    eta_s REAL,
    error TEXT,
    cancel_asked REAL,
    withdrawn INTEGER NOT NULL DEFAULT 0,  -- cancelled since nobody waits for it any more
    pid INTEGER,                      -- the process that runs it, or ran it last: its id and its start,
    started TEXT,                     -- since ids are used again
    subject TEXT NOT NULL DEFAULT '', -- which model and text it is about
    brief TEXT                        -- a copy of a small result as JSON, for lists
);
CREATE INDEX jobs_waiting ON jobs (quick DESC, asked) WHERE state = 'queued';
CREATE INDEX jobs_listed ON jobs (kind, subject, asked);
CREATE TABLE askers (
    job TEXT NOT NULL,
    asker TEXT NOT NULL,              -- the session that waits for the answer; '' for one that always does
    PRIMARY KEY (job, asker)
) WITHOUT ROWID;
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL,              -- 'runs' or 'trash'
    made TEXT NOT NULL,
    stamp TEXT NOT NULL,              -- times and sizes of the files that the entry was made of
    entry TEXT NOT NULL               -- the run's line in the list, as JSON
);
CREATE INDEX runs_listed ON runs (place, made);
CREATE TABLE worker (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    pid INTEGER,
    started TEXT,
    port INTEGER,                     -- where it is woken
    spawned REAL NOT NULL DEFAULT 0   -- when somebody last set out to start one
);
INSERT INTO worker (only) VALUES (1);
"""

_here = threading.local()


def connection(home: Path) -> sqlite3.Connection:
    """This thread's connection to the database in `home`, made with its tables where there is none.

    Raises DiskFull, and UserError where the file is damaged or of a later version.
    """
    path = home / NAME
    try:
        known = _here.known
    except AttributeError:
        known = _here.known = {}
    opened, identity = known.get(path, (None, None))
    if opened is None or identity is None or identity != _identity(path):
        opened = _open(path)
        known[path] = opened, _identity(path)
    return opened


@contextmanager
def transaction(home: Path) -> Iterator[sqlite3.Connection]:
    """All statements within the context take effect together, or none; other writers wait. Raises as `connection`.

    One within another is part of that.
    """
    database = connection(home)
    if database.in_transaction:
        yield database
        return
    with _plain_errors(home / NAME):
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
        except BaseException:
            database.rollback()
            raise
        database.commit()


def read(home: Path, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
    """The rows of a query, which changes nothing."""
    with _plain_errors(home / NAME):
        return connection(home).execute(query, values).fetchall()


def write(home: Path, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
    """One statement that changes rows, and what its RETURNING clause gives."""
    with _plain_errors(home / NAME):
        return connection(home).execute(statement, values).fetchall()


def _open(path: Path) -> sqlite3.Connection:
    with _plain_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        database.row_factory = sqlite3.Row
        _log_ahead(database)
        database.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last rows, never the database
        found = database.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise UserError(f"{path} was written by a later version of LayerScope: update LayerScope.")
        if found == 0:
            _make_tables(database)
    return database


def _log_ahead(database: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. SQLite does not wait for its turn where two processes switch at once."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _make_tables(database: sqlite3.Connection) -> None:
    """The tables, by whichever process comes first."""
    database.execute("BEGIN IMMEDIATE")
    if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        for statement in TABLES.split(";\n"):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {NEW}")
    database.commit()


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Which file this is: a connection to one that was deleted, or opened before a fork, must not be used."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_dev, facts.st_ino, os.getpid()


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as what they mean to a person."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise DiskFull(path) from error
        raise UserError(f"{path} cannot be used ({error}): check its folder's permissions and free space.") from error
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"{path} is damaged ({error}): move it away and start again; it is made anew from the runs' folders."
        ) from error
