"""A short name for "this job on exactly this model and this text", so that a finished result is found again. No torch.

A fingerprint covers the spec, the content of the model and the texts, and the version of the algorithms. It never needs
the network, and it never fails on a missing path: the worker reports that with a better message.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from prune_core.schema import demo, serial
from prune_core.schema.inputs import Calibration, HeldOut, ModelRef
from prune_core.schema.paths import given_path, is_file, is_folder

MEASURES_VERSION = 3
"""Increase it when an algorithm's numbers change: every stored result is then measured again."""

SMALL_BYTES = 64 * 2**20
"""Demo files up to this size are identified by content, so that a moved or fresh clone keeps its results."""

WEIGHTS = (".safetensors", ".bin", ".pt")
SETTINGS = (".json", ".model", ".txt", ".jinja", ".py", ".tiktoken")
TASK_FILES = (".yaml", ".py", ".jsonl", ".json", ".csv", ".parquet", ".txt", ".arrow")


def fingerprint(spec: Any) -> str:
    """16 hex digits that change when the spec, the model, a text or tasks that it names, or the algorithms change."""
    parts: dict[str, Any] = {"version": MEASURES_VERSION, "spec": serial.to_json(spec)} | dict(_contents(spec))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _contents(noun: Any) -> Iterator[tuple[str, Any]]:
    """The identity of everything outside the spec that its fields name, at any depth."""
    if isinstance(noun, ModelRef):
        yield "model", model_identity(noun)
    elif isinstance(noun, Calibration):
        yield "calibration", text_identity(noun)
    elif isinstance(noun, HeldOut):
        yield "heldout", text_identity(noun)
    elif dataclasses.is_dataclass(noun):
        values = {field.name: getattr(noun, field.name) for field in dataclasses.fields(noun)}
        if {"tasks", "task_folder"} <= set(values):
            yield "tasks", _tasks_identity(values["task_folder"], values["tasks"])
        for value in values.values():
            yield from _contents(value)


def model_identity(ref: ModelRef) -> Any:
    """What tells this model's content from another's, as JSON data.

    "demo": every file by content. A folder: its files by name, size and time, config.json by content. A hub id: the
    commit that the local cache holds for the revision, or the id and revision if none is cached.
    """
    if ref.path == "demo":
        return _folder(demo.DEMO_MODEL, by_content=True)
    folder = given_path(ref.path)
    if is_folder(folder):
        return {"files": _folder(folder, by_content=False), "config": _content(folder / "config.json")}
    return {"hub": ref.path, "commit": _cached_commit(ref) or f"revision {ref.revision}"}


def text_identity(text: Calibration | HeldOut) -> Any:
    """The text file's content, or the dataset id as given if `source` is not a file."""
    if text.source == "demo":
        return _content(demo.CALIBRATION_TEXT if isinstance(text, Calibration) else demo.HELDOUT_TEXT)
    path = given_path(text.source)
    return _content(path) if is_file(path) else {"dataset": text.source}


def _tasks_identity(task_folder: str | None, names: tuple[str, ...]) -> Any:
    """All files that tasks in the folder and its subfolders may use, and the .jsonl files among `names`, by content."""
    named = [_content(given_path(name)) for name in names if name.endswith(".jsonl")]
    if task_folder is None:
        return {"files": named}
    folder = demo.TASKS if task_folder == "demo" else given_path(task_folder)
    inside = folder.rglob("*") if is_folder(folder) else ()
    there = sorted(file for file in inside if file.suffix in TASK_FILES and file.is_file())
    return {"files": named, "folder": [[file.relative_to(folder).as_posix(), _content(file)] for file in there]}


def _folder(folder: Path, by_content: bool) -> Any:
    """The folder's files, sorted by name; their location on disk does not count."""
    if not is_folder(folder):
        return "missing"
    files = sorted(file for file in folder.iterdir() if file.suffix in (*WEIGHTS, *SETTINGS) and file.is_file())
    return [[file.name, _content(file) if by_content else _stamp(file)] for file in files]


def _stamp(file: Path) -> list[int]:
    facts = file.stat()
    return [facts.st_size, facts.st_mtime_ns]


def _content(file: Path) -> Any:
    """Size and sha256 of the file; size and time of a weight file too large to read each time."""
    if not is_file(file):
        return "missing"
    size, changed = _stamp(file)
    if file.suffix in WEIGHTS and size > SMALL_BYTES:
        return [size, changed]
    return [size, _sha256(str(file.resolve()), size, changed)]


@functools.lru_cache(maxsize=8192)
def _sha256(path: str, size: int, changed: int) -> str:
    """The file's digest; `size` and `changed` (ns) are in the key, so that a page can ask often and pay once."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cached_commit(ref: ModelRef) -> str | None:
    """The commit hash of the snapshot that the hub's local cache holds for this id and revision."""
    try:
        found = try_to_load_from_cache(ref.path, "config.json", revision=ref.revision)
    except HFValidationError:  # a path that is not a folder and cannot be an id either
        return None
    return Path(found).parent.name if isinstance(found, str) else None
