"""One run as one line of the list: made from the run's files, kept as a row of the database.

A line is only a copy: the files are the run, and `refresh` makes the lines agree with them.
"""

import functools
import json
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prune_core.schema.errors import UserError
from prune_core.schema.key_figures import KeyFigure, key_figures
from prune_core.schema.run import RunSpec
from prune_core.schema.wording import describe
from prune_core.store import database
from prune_core.store.files import read_json
from prune_core.store.store import Store

VERSION = 4
"""Raise it when `Entry` or the key figures change: every line is then made again when the worker starts."""

ABOUT = "about.json"
SOURCES = ("spec.json", "result.json", ABOUT)
DAMAGED = "damaged"


@dataclass(frozen=True)
class About:
    """What the user says about a run; its spec never changes."""

    name: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""


@dataclass(frozen=True)
class Entry:
    """One run. `state`: its job's, or "damaged" where a file cannot be read; `reason`: why it has no figures.

    `plan` is in words; `removed` of `layers` layers are cut. `figures`: by name, see key_figures.py.
    """

    id: str
    made: str
    state: str
    reason: str = ""
    about: About = field(default_factory=About)
    model: str = ""
    plan: str = ""
    method: str = ""
    removed: int = 0
    layers: int = 0
    figures: dict[str, KeyFigure] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is called on screen."""
        return self.about.name or self.plan or self.id

    @property
    def words(self) -> str:
        """All that a search goes by."""
        return " ".join(
            (self.id, self.about.name, *self.about.tags, self.about.notes, self.model, self.plan, self.method)
        ).lower()


def keep(store: Store, run_id: str) -> None:
    """Make the run's line again from its files."""
    folder = store.folder(run_id)
    if folder.is_dir():  # not deleted meanwhile
        put(store, folder)


def put(store: Store, folder: Path) -> None:
    """Make the line of the run in `folder`, of runs/ or trash/, from its files."""
    stamp = _stamp(folder)  # taken first: what changes while it is read makes it again
    made = _read(folder)
    values = (made.id, folder.parent.name, made.made, stamp, json.dumps(made, default=vars))
    with database.transaction(store.home):
        if not folder.is_dir():  # deleted while it was read
            return
        insert = "INSERT OR REPLACE INTO runs (id, place, made, stamp, entry) VALUES (?, ?, ?, ?, ?)"
        database.write(store.home, insert, values)


def refresh(store: Store) -> None:
    """Make the lines agree with the folders: those that came, went or changed behind the list's back."""
    folders = [*(store.home / "runs").glob("run-*"), *(store.home / "trash").glob("run-*")]
    gone = {row["id"] for row in database.read(store.home, "SELECT id FROM runs")} - {each.name for each in folders}
    for run_id in sorted(gone):
        database.write(store.home, "DELETE FROM runs WHERE id = ?", (run_id,))
    keep_changed(store, folders)


def keep_changed(store: Store, folders: list[Path]) -> None:
    """Make the lines of those folders again whose files changed since, or that have none."""
    kept = {row["id"]: row["stamp"] for row in database.read(store.home, "SELECT id, stamp FROM runs")}
    for folder in folders:
        if kept.get(folder.name) != _stamp(folder):
            put(store, folder)


def _stamp(folder: Path) -> str:
    """Time (ns) and size of each of SOURCES, zeros where there is none; with the version of `Entry`."""
    stamps: list[Any] = [VERSION]
    for name in SOURCES:
        try:
            facts = (folder / name).stat()
            stamps.append([facts.st_mtime_ns, facts.st_size])
        except FileNotFoundError:
            stamps.append([0, 0])
    return json.dumps(stamps)


@functools.lru_cache(maxsize=16384)
def from_text(text: str) -> Entry:
    """An entry from its JSON. Kept: a page lists thousands at each rerun, and few of them change."""
    data = json.loads(text)
    about = About(data["about"]["name"], tuple(data["about"]["tags"]), data["about"]["notes"])
    figures = {name: KeyFigure(**figure) for name, figure in data["figures"].items()}
    return Entry(**data | {"about": about, "figures": figures})


def _read(folder: Path) -> Entry:
    """The line from the run's own files."""
    known = Entry(folder.name, _made(folder), DAMAGED)
    try:
        spec = read_json(folder / "spec.json", RunSpec)
        if spec is None:
            return replace(known, reason="Its spec.json is missing: restore the file, or delete the run.")
        known = replace(
            known,
            about=About(spec.name),
            model=spec.model.path,
            plan=describe(spec.plan),
            method=spec.plan.method,
            removed=len(spec.plan.removed),
            layers=spec.plan.num_layers,
        )
        known = replace(known, about=read_json(folder / ABOUT, About) or known.about)
        result = _plain_result(folder / "result.json")
    except UserError as error:
        return replace(known, reason=str(error))
    if result is None:
        return replace(known, state="interrupted", reason="It was never started: resume it.")
    return replace(known, state="done", figures=key_figures(result))


def _plain_result(path: Path) -> dict[str, Any] | None:
    """The result as JSON data; a thousand of them are not worth checking field by field. None where there is none."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): restore the file, or run it again.") from error
    if not isinstance(result, dict) or result.get("type") != "RunResult":
        raise UserError(f"{path} holds no result of a run: restore the file, or run it again.")
    return result


def _made(folder: Path) -> str:
    """When it was made, to the second, from its id; from its folder where the id does not say."""
    found = re.match(r"run-(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)", folder.name)
    if found is not None:
        return "{}-{}-{} {}:{}:{}".format(*found.groups())
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(folder.stat().st_mtime))
