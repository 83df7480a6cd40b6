"""Deleted runs: whole folders in trash/, restorable until the trash is emptied, which is a step of its own."""

import os
import shutil

from prune_core.schema.errors import UserError
from prune_core.store import catalogue, jobs
from prune_core.store.catalogue import Entry
from prune_core.store.store import Store


def delete(store: Store, run_id: str) -> None:
    """Move the run to the trash. Raises UserError while it waits or runs."""
    folder = catalogue.require(store, run_id)
    if jobs.is_locked(folder / "lock") or run_id in (*jobs.waiting_ids(store), jobs.running(store)):
        raise UserError(f"Run {run_id} waits or runs at this moment: cancel it, then delete it.")
    (store.home / "trash").mkdir(exist_ok=True)
    os.rename(folder, store.home / "trash" / run_id)


def restore(store: Store, run_id: str) -> None:
    """Put a deleted run back. Raises UserError where the trash does not hold it."""
    if run_id not in {one.id for one in deleted(store)}:
        raise UserError(f"The trash holds no run '{run_id}': it was restored already, or the trash was emptied.")
    os.rename(store.home / "trash" / run_id, store.folder(run_id))


def deleted(store: Store) -> list[Entry]:
    """The runs in the trash, newest first."""
    return catalogue.read_entries(store, store.home / "trash")


def empty(store: Store) -> int:
    """Destroy what is in the trash, for good; returns how many runs."""
    gone = deleted(store)
    for one in gone:
        shutil.rmtree(store.home / "trash" / one.id)
    return len(gone)
