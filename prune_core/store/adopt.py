"""What lies in the folders of a store as rows of its database: stores of version 0.1, runs copied in by hand, and all
of it again where the database was lost."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import psutil

from prune_core.schema.errors import UserError
from prune_core.schema.job import State
from prune_core.store import database, jobs, run_lines
from prune_core.store.files import read_json
from prune_core.store.store import Store

OLD = ("progress.json", "summary.json", "cancel", "lock")
"""What version 0.1 kept in each run's folder and the database holds now."""

ROW = """
INSERT OR IGNORE INTO jobs (id, kind, state, quick, asked, error, subject, brief) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


def take_over(store: Store) -> Store:
    """`store`, with what its folders held before it had a database as rows, once; nothing of it is lost."""
    if _version(store) < database.VERSION:
        _require_no_old_worker(store)
        with database.transaction(store.home) as rows:
            if _version(store) < database.VERSION:  # not by another process meanwhile
                waiting = _old_queue(store)
                for folder in sorted(each for each in (store.home / "runs").glob("*-*") if each.is_dir()):
                    rows.execute(ROW, _row(store, folder, waiting))
                    if folder.name.startswith("run-"):
                        run_lines.put(store, folder)
                for folder in sorted((store.home / "trash").glob("run-*")):
                    run_lines.put(store, folder)
                rows.execute(f"PRAGMA user_version = {database.VERSION}")
        _forget_old_files(store)
    return store


def refresh(store: Store) -> None:
    """Make the rows agree with the folders: those that came, went or changed behind the database's back."""
    known = {row["id"] for row in database.read(store.home, "SELECT id FROM jobs")}
    there = {folder.name: folder for folder in (store.home / "runs").glob("*-*") if folder.is_dir()}
    for name in sorted(there.keys() - known):
        database.write(store.home, ROW, _row(store, there[name], {}))
    trashed = {folder.name for folder in (store.home / "trash").glob("run-*")}
    for name in sorted(known - there.keys() - trashed):
        database.write(store.home, "DELETE FROM jobs WHERE id = ? AND state NOT IN ('queued', 'running')", (name,))
    run_lines.refresh(store)


def _version(store: Store) -> int:
    return database.read(store.home, "PRAGMA user_version")[0][0]


def _row(store: Store, folder: Path, waiting: dict[str, float]) -> tuple[Any, ...]:
    """The row of a job from its folder. One that was running is interrupted: its process is not known."""
    name, kind = folder.name, folder.name.partition("-")[0]
    job = _json(folder / "progress.json")
    state, error = (value if isinstance(value, str) else None for value in (job.get("state"), job.get("error")))
    if state not in get_args(State):
        state, error = ("done", None) if store.has_result(name) else ("interrupted", "It was never started: resume it.")
    if name in waiting:
        state = "queued"
    elif state in ("queued", "running"):
        ended = store.has_result(name) and kind == "run"
        state, error = ("done", None) if ended else ("interrupted", "The process that ran this is gone: resume it.")
    spec = None
    with suppress(UserError):  # a damaged one, which the list of runs tells of
        spec = store.spec(name)
    asked = waiting.get(name) or _time(folder)
    about = "" if spec is None else jobs.subject_of(spec)
    quick = 0 if spec is None else int(spec.quick)
    return name, kind, state, quick, asked, error, about, _brief(store, name, kind)


def _brief(store: Store, name: str, kind: str) -> str | None:
    if kind not in ("preview", "replace"):
        return None
    with suppress(UserError):
        return jobs.brief(store.result(name))
    return None


def _time(folder: Path) -> float:
    spec = folder / "spec.json"
    return (spec if spec.exists() else folder).stat().st_mtime


def _json(path: Path) -> dict[str, Any]:
    """The object in a file of version 0.1; an empty one where it is missing or damaged."""
    with suppress(UserError):
        found = read_json(path, dict)
        return found if isinstance(found, dict) else {}
    return {}


def _require_no_old_worker(store: Store) -> None:
    """UserError while a worker of version 0.1 runs: it would write into the folders that are taken over."""
    pid = _json(store.home / "worker.json").get("pid")
    with suppress(psutil.Error):
        if isinstance(pid, int) and "prune_core" in " ".join(psutil.Process(pid).cmdline()):
            raise UserError(
                f"A worker of LayerScope 0.1 (process {pid}) still runs on {store.home}: close the old app, then start "
                "LayerScope again."
            )


def _old_queue(store: Store) -> dict[str, float]:
    """When each job was queued, by its id: entries were called <priority>-<time in ns>-<job id>."""
    found = {}
    for entry in (store.home / "queue").glob("[01]-*"):
        _, asked, name = entry.name.split("-", 2)
        with suppress(ValueError):
            found[name] = int(asked) / 1e9
    return found


def _forget_old_files(store: Store) -> None:
    for folder in (*(store.home / "runs").glob("*-*"), *(store.home / "trash").glob("run-*")):
        for name in OLD:
            (folder / name).unlink(missing_ok=True)
    for name in ("worker.json", "worker.lock"):
        (store.home / name).unlink(missing_ok=True)
    shutil.rmtree(store.home / "queue", ignore_errors=True)
