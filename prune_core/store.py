"""Everything LayerScope keeps on disk, under one home folder ($LAYERSCOPE_HOME, else ~/.layerscope).

    runs/<id>/         spec.json  progress.json  result.json  arrays.safetensors  checkpoint/  parts/
                       partial.safetensors: what an unfinished job has so far
    queue/             one empty file a waiting job; removing it is claiming it
    workspaces/        what a browser session had chosen, so that a refresh loses nothing
    worker.json/.lock/.log

Every file is written beside its place and renamed into it, so a reader or a crash never sees half of one.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from prune_core import serial
from prune_core.specs import Job, Result, Spec
from prune_core.types import UserError

T = TypeVar("T")
PARTIAL = "partial.safetensors"


def home() -> Path:
    """The folder that holds everything, made when it is missing."""
    folder = Path(os.environ.get("LAYERSCOPE_HOME", "~/.layerscope")).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_text(path: Path, text: str) -> None:
    """Put `text` at `path` in one step: a temporary file beside it, flushed to disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path, cls: Any) -> Any:
    """The value of type `cls` at `path`, or None where there is no such file."""
    try:
        return serial.from_json(cls, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not valid JSON ({error}): restore the file or delete its folder.") from error


def copy_folder(source: Path, target: str) -> Path:
    """Copy a checkpoint to a new folder, whole or not at all; an existing one is never written over."""
    folder = Path(target).expanduser().absolute()
    if not target.strip() or folder.exists():
        raise UserError(f"'{target}' exists already or is empty: give the path of a new folder.")
    partial = folder.with_name(f".{folder.name}-partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        partial.rename(folder)
    except OSError as error:
        raise UserError(f"The copy to {folder} failed ({error.strerror}): choose a folder you may write to.") from error
    return folder


@dataclass(frozen=True)
class Store:
    """The home folder as an object: `runs` by id, each with spec, progress and result."""

    home: Path

    def folder(self, run_id: str) -> Path:
        """Where run `run_id` lies."""
        return self.home / "runs" / run_id

    def ids(self, kind: str) -> list[str]:
        """All ids of jobs of `kind`, newest first."""
        folders = [f for f in (self.home / "runs").glob(f"{kind}-*") if (f / "spec.json").exists()]
        return [f.name for f in sorted(folders, key=lambda f: (f / "spec.json").stat().st_mtime_ns, reverse=True)]

    def save_spec(self, run_id: str, spec: Spec) -> None:
        write_text(self.folder(run_id) / "spec.json", serial.dumps(spec))

    def spec(self, run_id: str) -> Spec | None:
        return read_json(self.folder(run_id) / "spec.json", Spec)

    def save_job(self, job: Job) -> None:
        write_text(self.folder(job.id) / "progress.json", serial.dumps(job))

    def job(self, run_id: str) -> Job | None:
        """The job as it was last written; `jobs.status` also notices a dead worker."""
        return read_json(self.folder(run_id) / "progress.json", Job)

    def save_result(self, run_id: str, result: Result) -> None:
        """Keep a result; arrays go first, so that result.json is there only when all of it is."""
        folder = self.folder(run_id)
        plain, arrays = _split(result)
        if arrays:
            _save_arrays(folder / "arrays.safetensors", arrays)
        write_text(folder / "result.json", serial.dumps(plain))
        (folder / PARTIAL).unlink(missing_ok=True)

    def result(self, run_id: str) -> Result | None:
        """The result of a finished job, or None."""
        folder = self.folder(run_id)
        plain = read_json(folder / "result.json", dict)
        if plain is None:
            return None
        arrays = folder / "arrays.safetensors"
        return _joined(plain, load_file(arrays) if arrays.exists() else {})

    def save_partial(self, run_id: str, result: Result) -> None:
        """Keep what a running job has so far, for whoever draws it and for a job that goes on; one file, whole."""
        plain, arrays = _split(result)
        _save_arrays(self.folder(run_id) / PARTIAL, arrays, {"result": json.dumps(plain)})

    def partial(self, run_id: str) -> Result | None:
        """What a job that runs, failed or was cancelled had so far, or None."""
        try:
            with safe_open(self.folder(run_id) / PARTIAL, "numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
                return _joined(json.loads(file.metadata()["result"]), arrays)
        except FileNotFoundError:
            return None

    def part(self, run_id: str, name: str, cls: Any, make: Callable[[], T]) -> T:
        """A finished part of a run: read when it is there, else made and kept; a resumed run repeats nothing."""
        path = self.folder(run_id) / "parts" / f"{name}.json"
        kept = read_json(path, cls)
        if kept is None:
            kept = make()
            write_text(path, serial.dumps(kept))
        return kept

    def clean(self, run_id: str) -> None:
        """Remove what a killed process left half-made in this run: hidden temporary files, an unfinished checkpoint."""
        for leftover in self.folder(run_id).glob(".*-*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


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


def _joined(plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> Result:
    """The result that `_split` took apart."""
    for path, array in arrays.items():
        name, _, key = path.partition("/")
        if key:
            plain.setdefault(name, {})[key] = array
        else:
            plain[name] = array
    return serial.from_json(Result, plain)


def _save_arrays(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    partial = path.with_name(f".{path.name}-partial")
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial, metadata)
    os.replace(partial, path)
