"""Every run as one line, read fast: key figures of donor and pruned model, and what the user says about the run.

What a line needs is kept beside the result in summary.json, under the times of the files it was made of, so that a
thousand runs are listed without reading a thousand results. It is only a copy: missing or old, it is made again.
"""

import functools
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prune_core.schema.errors import UserError
from prune_core.schema.job import Job
from prune_core.schema.key_figures import KeyFigure, key_figures
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.serial import dumps
from prune_core.schema.wording import describe
from prune_core.store import jobs
from prune_core.store.files import read_json, whole, write_text
from prune_core.store.store import Store

VERSION = 3
"""Raise it when `Entry` or the key figures change: every summary.json is then made again."""

SUMMARY, ABOUT = "summary.json", "about.json"
SOURCES = ("spec.json", "progress.json", "result.json", ABOUT)
DAMAGED = "damaged"

Stamp = tuple[tuple[int, int], ...]
"""Time (ns) and size of each of SOURCES, zeros where there is none."""


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


def entries(store: Store) -> list[Entry]:
    """All runs, newest first; a damaged one is in the list and says so."""
    return read_entries(store, store.home / "runs")


def read_entries(store: Store, room: Path) -> list[Entry]:
    """The runs in the folder `room`: runs/ or trash/."""
    found = [_standing(store, folder) for folder in room.glob("run-*")]
    return sorted(found, key=lambda one: (one.made, one.id), reverse=True)


def entry(store: Store, run_id: str) -> Entry:
    """The run's line as it stands now. Raises UserError where there is no such run."""
    return _standing(store, require(store, run_id))


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


def require(store: Store, run_id: str) -> Path:
    """The run's folder. Raises UserError where there is none."""
    if not re.fullmatch(r"run-[\w-]+", run_id) or not store.folder(run_id).is_dir():
        raise UserError(f"There is no run '{run_id}': take an id from the list of runs.")
    return store.folder(run_id)


def finished(store: Store, run_id: str) -> tuple[RunSpec, RunResult]:
    """A finished run's spec and whole result. Raises UserError where there is none, or a damaged one."""
    require(store, run_id)
    spec, result = store.spec(run_id), store.result(run_id)
    if not isinstance(spec, RunSpec) or not isinstance(result, RunResult):
        raise UserError(f"Run {run_id} has no figures, since it is not finished: resume it, or choose another.")
    return spec, result


def _standing(store: Store, folder: Path) -> Entry:
    """The kept line, with the state of a job that is not finished looked up."""
    known = _entry(folder, _stamp(folder))
    if known.state in (DAMAGED, *jobs.FINISHED) or folder.parent != store.home / "runs":
        return known
    try:
        job = jobs.status(store, known.id)
    except UserError as error:  # such as no room to start the worker
        return replace(known, reason=str(error))
    return known if job is None else replace(known, state=job.state, reason=job.error or "")


def _stamp(folder: Path) -> Stamp:
    stamps = []
    for name in SOURCES:
        try:
            facts = (folder / name).stat()
            stamps.append((facts.st_mtime_ns, facts.st_size))
        except FileNotFoundError:
            stamps.append((0, 0))
    return tuple(stamps)


@functools.lru_cache(maxsize=8192)
def _entry(folder: Path, stamp: Stamp) -> Entry:
    """The line from summary.json where that is of this `stamp`, else from the run's files, and kept."""
    mark = [VERSION, *map(list, stamp)]
    with suppress(OSError, ValueError, TypeError, KeyError):  # any fault of a mere copy: made again below
        kept = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        if kept["of"] == mark:
            return _from_plain(kept["entry"])
    made = _read(folder)
    if not folder.is_dir():  # deleted while it was read: keeping its line would make the folder again
        return made
    # Not flushed to disk, since it can be made again; for the same reason a full or read-only disk is no matter here.
    with suppress(OSError, UserError), whole(folder / SUMMARY) as unfinished:
        unfinished.write_text(json.dumps({"of": mark, "entry": made}, default=vars), encoding="utf-8")
    return made


def _from_plain(data: dict[str, Any]) -> Entry:
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
        job = read_json(folder / "progress.json", Job)
        result = _plain_result(folder / "result.json")
    except UserError as error:
        return replace(known, reason=str(error))
    if job is None:
        return replace(known, state="interrupted", reason="It was never started: resume it.")
    if job.state == "done" and result is None:
        return replace(known, reason="Its result.json is missing: restore the file, or run it again.")
    return replace(known, state=job.state, reason=job.error or "", figures=key_figures(result) if result else {})


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
