"""The list of runs, read fast: all of them, those that match a search, what the user says about one.

Reads rows, no folders: a run's row is made when its files change (run_lines.py).
"""

import re
from dataclasses import replace
from pathlib import Path
from sqlite3 import Row

from prune_core.schema.errors import UserError
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.serial import dumps
from prune_core.store import database, jobs
from prune_core.store.files import write_text
from prune_core.store.run_lines import ABOUT, DAMAGED, About, Entry, from_text, keep, keep_changed
from prune_core.store.store import Store


def entries(store: Store) -> list[Entry]:
    """All runs, newest first, as they stand; a damaged one is in the list and says so. Reads no folder."""
    return _listed(store, "runs")


def deleted(store: Store) -> list[Entry]:
    """The runs in the trash, newest first."""
    return _listed(store, "trash")


def entry(store: Store, run_id: str) -> Entry:
    """The run's line as it stands now, and as its files are now. Raises UserError where there is no such run."""
    folder = require(store, run_id)
    keep_changed(store, [folder])
    found = _rows(store, "runs.id = ?", run_id)
    if not found:
        raise UserError(f"There is no run '{run_id}': use an id from the list of runs.")
    return found[0]


def matching(
    found: list[Entry],
    text: str = "",
    tags: tuple[str, ...] = (),
    models: tuple[str, ...] = (),
    states: tuple[str, ...] = (),
) -> list[Entry]:
    """Those of `found` that hold every word of `text`, have all `tags`, and one of `models` and `states` if given."""
    words = text.lower().split()
    return [
        one
        for one in found
        if all(word in one.words for word in words)
        and set(tags) <= set(one.about.tags)
        and (not models or one.model in models)
        and (not states or one.state in states)
    ]


def say(store: Store, run_id: str, about: About) -> None:
    """Keep what the user says about the run; tags each once, without spaces around them."""
    tags = tuple(dict.fromkeys(filter(None, (tag.strip() for tag in about.tags))))
    write_text(require(store, run_id) / ABOUT, dumps(About(about.name.strip(), tags, about.notes.strip())))
    keep(store, run_id)


def require(store: Store, run_id: str) -> Path:
    """The run's folder. Raises UserError where there is none."""
    if not re.fullmatch(r"run-[\w-]+", run_id) or not store.folder(run_id).is_dir():
        raise UserError(f"There is no run '{run_id}': use an id from the list of runs.")
    return store.folder(run_id)


def finished(store: Store, run_id: str) -> tuple[RunSpec, RunResult]:
    """A finished run's spec and whole result. Raises UserError where there is none, or a damaged one."""
    require(store, run_id)
    spec, result = store.spec(run_id), store.result(run_id)
    if not isinstance(spec, RunSpec) or not isinstance(result, RunResult):
        raise UserError(f"Run {run_id} has no results because it is not finished: resume it, or choose another.")
    return spec, result


def _listed(store: Store, place: str) -> list[Entry]:
    return _rows(store, "runs.place = ? ORDER BY runs.made DESC, runs.id DESC", place)


def _rows(store: Store, where: str, value: str) -> list[Entry]:
    """The lines that a condition on the table of runs selects, each with the state of its job."""
    query = f"SELECT runs.entry AS entry, jobs.* FROM runs LEFT JOIN jobs ON jobs.id = runs.id WHERE {where}"
    found = []
    for row in database.read(store.home, query, (value,)):
        known = from_text(row["entry"])
        if known.state != DAMAGED and row["state"] is not None:
            known = _with_state(store, known, row)
        found.append(known)
    return found


def _with_state(store: Store, known: Entry, row: Row) -> Entry:
    if row["state"] == known.state == "done":  # most of thousands
        return known
    job = jobs.standing(store, row)
    if job.state == "done" and known.state != "done" and not store.has_result(known.id):
        return replace(known, state=DAMAGED, reason="Its result.json is missing: restore the file, or run it again.")
    return replace(known, state=job.state, reason=job.error or "")
