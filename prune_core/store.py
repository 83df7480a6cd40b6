"""Everything LayerScope keeps on disk, under one home folder ($LAYERSCOPE_HOME, else ~/.layerscope).

    runs/<id>/         spec.json  progress.json  result.json  arrays.safetensors  checkpoint/  parts/
                       partial.safetensors: what an unfinished job has so far
                       about.json, summary.json: catalogue.py
    trash/<id>/        deleted runs, until the trash is emptied
    queue/             one empty file a waiting job; removing it is claiming it
    workspaces/        what a browser session had chosen, so that a refresh loses nothing
    worker.json/.lock/.log

Every file is written beside its place and renamed into it, so a reader or a crash never sees half of one. Until then
its name is .<name>-<token>-<process id>, so that what a dead process left can be told from what a live one writes.
"""

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from prune_core import serial
from prune_core.paths import given_path, is_file, is_folder
from prune_core.specs import Job, Result, Spec
from prune_core.types import UserError

T = TypeVar("T")
PARTIAL = "partial.safetensors"
ORIGIN = "fingerprint"
"""The part of a run that holds the fingerprint of its spec, as it was when the run was begun."""


def home() -> Path:
    """The folder that holds everything, made when it is missing."""
    folder = Path(os.environ.get("LAYERSCOPE_HOME", "~/.layerscope")).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class DiskFull(UserError):
    """There was no room to write. What was finished before is kept."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The disk is full: {path} could not be written. Free some space, then start or resume this; what was "
            "finished before is kept."
        )


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` says that there is no room left. safetensors tells it in words alone."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return isinstance(error, SafetensorError) and "os error 28" in str(error)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what then becomes `path` in one step; nothing is left of it where that failed."""
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        os.replace(unfinished, path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if is_disk_full(error):
            raise DiskFull(path) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Put `text` at `path` in one step, flushed to disk first. Raises DiskFull."""
    with whole(path) as unfinished, open(unfinished, "x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_json(path: Path, cls: Any) -> Any:
    """The value of type `cls` at `path`, or None where there is no such file."""
    try:
        return serial.from_json(cls, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except ValueError as error:  # no JSON, or no UTF-8
        raise UserError(f"{path} is not valid JSON ({error}): restore the file or delete its folder.") from error


def copy_folder(source: Path, target: str) -> Path:
    """Copy a checkpoint to a new folder, whole or not at all; an existing one is never written over."""
    folder = given_path(target).absolute()
    if not target.strip() or "\0" in target or is_folder(folder) or is_file(folder):
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
        try:
            write_text(self.folder(run_id) / "spec.json", serial.dumps(spec))
        except DiskFull:
            with suppress(OSError):  # it held something before
                self.folder(run_id).rmdir()
            raise

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
        try:
            return _joined(plain, load_file(arrays) if arrays.exists() else {})
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
                return _joined(json.loads(file.metadata()["result"]), arrays)
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


def _sweep(folder: Path, *patterns: str) -> None:
    for leftover in (found for pattern in patterns for found in folder.glob(pattern)):
        if _is_dead(leftover):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _is_dead(leftover: Path) -> bool:
    """Whether no living process writes this unfinished file; its name ends with the writer's id."""
    writer = re.fullmatch(r"\..+-(\d+)", leftover.name)
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
    with whole(path) as unfinished:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, unfinished, metadata)
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
