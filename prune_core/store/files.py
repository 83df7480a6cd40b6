"""Writing to disk: whole or not at all. Every file of the house that matters is written here.

A file or folder is written beside its place and renamed into it, so a reader or a crash never sees half of one. Until
then its name is .<name>-<token>-<process id>, so that what a dead process left can be told from what a live one writes.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.paths import given_path, is_file, is_folder
from prune_core.store.disk_full import DiskFull, is_disk_full


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what then becomes `path` in one step; nothing is left of it where that failed."""
    unfinished = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        os.replace(unfinished, path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if is_disk_full(error):
            raise DiskFull(path) from error
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which then becomes the new folder `path` in one step; nothing is left of it where that
    failed."""
    unfinished = _beside(path)
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        os.rename(unfinished, path)
    except BaseException as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if is_disk_full(error):
            raise DiskFull(path) from error
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}-{secrets.token_hex(4)}-{os.getpid()}")


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
        raise UserError(f"'{target}' already exists or is empty: give the path of a new folder.")
    try:
        with whole_folder(folder) as unfinished:
            shutil.copytree(source, unfinished, dirs_exist_ok=True)
    except OSError as error:
        raise UserError(f"The copy to {folder} failed ({error.strerror}): choose a folder you may write to.") from error
    return folder
