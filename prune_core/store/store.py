"""Everything LayerScope keeps on disk, under one home folder ($LAYERSCOPE_HOME, else ~/.layerscope).

layerscope.db      jobs, their queue, the list of runs, the worker: database.py
runs/<id>/         spec.json  result.json  arrays.safetensors  checkpoint/  parts/
                   partial.safetensors: what an unfinished job has so far
                   about.json: what the user says about a run, catalogue.py
trash/<id>/        deleted runs, until the trash is emptied
workspaces/        what a browser session had chosen, so that a refresh loses nothing
worker.log
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.job import Result, Spec
from prune_core.store.disk_full import DiskFull
from prune_core.store.files import read_json, whole, write_text

T = TypeVar("T")
PARTIAL = "partial.safetensors"
ORIGIN = "fingerprint"
"""The part of a run that holds the fingerprint of its spec, as it was when the run was begun."""


def home() -> Path:
    """The folder that holds everything, made when it is missing."""
    folder = Path(os.environ.get("LAYERSCOPE_HOME", "~/.layerscope")).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Store:
    """The home folder as an object: `runs` by id, each with spec, progress and result.

    `specs`, `results`: the unions of all that is kept there; the room that names them, pipeline/, lies above this one.
    """

    home: Path
    specs: Any
    results: Any

    def folder(self, run_id: str) -> Path:
        """Where run `run_id` lies."""
        return self.home / "runs" / run_id

    def save_spec(self, run_id: str, spec: Spec) -> None:
        try:
            write_text(self.folder(run_id) / "spec.json", serial.dumps(spec))
        except DiskFull:
            with suppress(OSError):  # it held something before
                self.folder(run_id).rmdir()
            raise

    def spec(self, run_id: str) -> Spec | None:
        return read_json(self.folder(run_id) / "spec.json", self.specs)

    def save_result(self, run_id: str, result: Result) -> None:
        """Keep a result; arrays go first, so that result.json is there only when all of it is."""
        folder = self.folder(run_id)
        plain, arrays = _split(result)
        if arrays:
            _save_arrays(folder / "arrays.safetensors", arrays)
        write_text(folder / "result.json", serial.dumps(plain))
        (folder / PARTIAL).unlink(missing_ok=True)

    def has_result(self, run_id: str) -> bool:
        """Whether a whole result of the job is there."""
        return (self.folder(run_id) / "result.json").exists()

    def result(self, run_id: str) -> Result | None:
        """The result of a finished job, or None."""
        folder = self.folder(run_id)
        plain = read_json(folder / "result.json", dict)
        if plain is None:
            return None
        arrays = folder / "arrays.safetensors"
        try:
            return self._joined(plain, load_file(arrays) if arrays.exists() else {})
        except SafetensorError as error:
            raise UserError(f"{arrays} is damaged ({error}): restore the file or delete its folder.") from error

    def save_partial(self, run_id: str, result: Result) -> None:
        """Keep what a running job has so far, for whoever draws it and for a job that goes on; one file, whole."""
        plain, arrays = _split(result)
        _save_arrays(self.folder(run_id) / PARTIAL, arrays, {"result": json.dumps(plain)})

    def partial(self, run_id: str) -> Result | None:
        """What a job that runs, failed or was cancelled had so far, or None.

        As for a part, one that is damaged or of another version counts for nothing.
        """
        try:
            with safe_open(self.folder(run_id) / PARTIAL, "numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
                return self._joined(json.loads(file.metadata()["result"]), arrays)
        except (FileNotFoundError, SafetensorError, UserError):
            return None

    def part(self, run_id: str, name: str, cls: Any, make: Callable[[], T]) -> T:
        """A finished part of a run: read when it is there, else made and kept; a resumed run repeats nothing.

        One that is damaged, or that another version wrote in another form, is made again.
        """
        path = self.folder(run_id) / "parts" / f"{name}.json"
        try:
            kept = read_json(path, cls)
        except UserError:
            kept = None
        if kept is None:
            kept = make()
            write_text(path, serial.dumps(kept))
        return kept

    def origin(self, run_id: str) -> str | None:
        """The fingerprint of the run's spec when it was begun, None where that was not kept."""
        return read_json(self.folder(run_id) / "parts" / f"{ORIGIN}.json", str)

    def clean(self, run_id: str) -> None:
        """Remove what dead processes left half-made in this run: unfinished files, an unfinished checkpoint."""
        _sweep(self.folder(run_id), ".*-*", "*/.*-*")

    def clean_shared(self) -> None:
        """The same for what runs share, which no job of its own looks after: the donors' figures, fitted networks."""
        for folder in (*self.home.glob("runs/donor-*"), *self.home.glob("runs/replace-*")):
            self.clean(folder.name)

    def clean_all(self) -> None:
        """The same for the whole home folder."""
        _sweep(self.home, ".*-*", "workspaces/.*-*", "runs/*/.*-*", "runs/*/*/.*-*")

    def _joined(self, plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> Result:
        """The result that `_split` took apart."""
        for path, array in arrays.items():
            name, _, key = path.partition("/")
            if key:
                plain.setdefault(name, {})[key] = array
            else:
                plain[name] = array
        return serial.from_json(self.results, plain)


def _sweep(folder: Path, *patterns: str) -> None:
    for leftover in (found for pattern in patterns for found in folder.glob(pattern)):
        if _is_dead(leftover):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _is_dead(leftover: Path) -> bool:
    """Whether no living process writes this unfinished file; its name ends with the writer's id."""
    writer = re.fullmatch(r"\..+-[0-9a-f]{8}-(\d+)", leftover.name)
    if writer is None:
        return False
    try:
        return psutil.Process(int(writer[1])).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _split(result: Result) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A result as JSON data without its arrays, and its arrays by "field" or, in a dict of arrays, "field/key"."""
    plain: dict[str, Any] = {"type": type(result).__name__}
    arrays: dict[str, np.ndarray] = {}
    for name, value in ((f.name, getattr(result, f.name)) for f in fields(result)):
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif isinstance(value, dict) and any(isinstance(item, np.ndarray) for item in value.values()):
            arrays |= {f"{name}/{key}": item for key, item in value.items()}
        else:
            plain[name] = serial.to_json(value)
    return plain, arrays


def _save_arrays(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    with whole(path) as unfinished:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, unfinished, metadata)
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
