"""Deleted runs: whole folders in trash/, restorable until the trash is emptied, which is a step of its own."""

import os
import shutil
from contextlib import suppress

from prune_core.schema.errors import UserError
from prune_core.store import catalogue, database, jobs
from prune_core.store.catalogue import Entry, deleted
from prune_core.store.store import Store

__all__ = ["delete", "deleted", "empty", "restore"]

MOVED = "UPDATE runs SET place = ? WHERE id = ?"


def delete(store: Store, run_id: str) -> None:
    """Move the run to the trash. Raises UserError while it waits or runs."""
    folder = catalogue.require(store, run_id)
    with database.transaction(store.home) as rows:  # nobody claims it meanwhile
        job = jobs.status(store, run_id)
        if job is not None and job.state in ("queued", "running"):
            raise UserError(f"Run {run_id} is queued or running: cancel it, then delete it.")
        (store.home / "trash").mkdir(exist_ok=True)
        os.rename(folder, store.home / "trash" / run_id)
        rows.execute(MOVED, ("trash", run_id))


def restore(store: Store, run_id: str) -> None:
    """Put a deleted run back. Raises UserError where the trash does not hold it."""
    if run_id not in {one.id for one in deleted(store)}:
        raise UserError(f"The trash holds no run '{run_id}': it was restored already, or the trash was emptied.")
    with database.transaction(store.home) as rows:
        os.rename(store.home / "trash" / run_id, store.folder(run_id))
        rows.execute(MOVED, ("runs", run_id))


def empty(store: Store) -> int:
    """Destroy what is in the trash, for good; returns how many runs."""
    gone: list[Entry] = deleted(store)
    for one in gone:
        with suppress(FileNotFoundError):  # an attempt that was cut short had got this far
            shutil.rmtree(store.home / "trash" / one.id)
        with database.transaction(store.home) as rows:
            rows.execute("DELETE FROM runs WHERE id = ?", (one.id,))
            rows.execute("DELETE FROM jobs WHERE id = ?", (one.id,))
    return len(gone)
