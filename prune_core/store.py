"""Everything LayerScope keeps on disk, under one home folder ($LAYERSCOPE_HOME, else ~/.layerscope).

    runs/<id>/         spec.json  progress.json  result.json  arrays.safetensors  checkpoint/  parts/
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors.numpy import load_file, save_file

from prune_core import serial
from prune_core.specs import Job, Result, Spec
from prune_core.types import LayerStats, UserError

T = TypeVar("T")


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
        if isinstance(result, LayerStats):
            _save_arrays(folder / "arrays.safetensors", result)
            result = replace(result, values={}, stderrs={})
        write_text(folder / "result.json", serial.dumps(result))

    def result(self, run_id: str) -> Result | None:
        """The result of a finished job, or None."""
        result = read_json(self.folder(run_id) / "result.json", Result)
        return _with_arrays(self.folder(run_id), result) if isinstance(result, LayerStats) else result

    def part(self, run_id: str, name: str, cls: Any, make: Callable[[], T]) -> T:
        """A finished part of a run: read when it is there, else made and kept; a resumed run repeats nothing."""
        path = self.folder(run_id) / "parts" / f"{name}.json"
        kept = read_json(path, cls)
        if kept is None:
            kept = make()
            write_text(path, serial.dumps(kept))
        return kept

    def clean(self) -> None:
        """Remove what a killed worker left half-made: hidden temporary files and unfinished checkpoints."""
        for leftover in (self.home / "runs").glob("*/.*-*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _save_arrays(path: Path, stats: LayerStats) -> None:
    arrays = {f"values/{name}": np.ascontiguousarray(a) for name, a in stats.values.items()}
    arrays |= {f"stderrs/{name}": np.ascontiguousarray(a) for name, a in stats.stderrs.items()}
    partial = path.with_name(f".{path.name}-partial")
    save_file(arrays, partial)
    os.replace(partial, path)


def _with_arrays(folder: Path, stats: LayerStats) -> LayerStats:
    arrays = load_file(folder / "arrays.safetensors")
    groups: dict[str, dict[str, np.ndarray]] = {"values": {}, "stderrs": {}}
    for key, array in arrays.items():
        group, name = key.split("/", 1)
        groups[group][name] = array
    return replace(stats, values=groups["values"], stderrs=groups["stderrs"])
