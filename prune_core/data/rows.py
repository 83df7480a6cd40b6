"""Rows of text files (.txt, .jsonl, .json, .csv, .parquet) and of datasets on the hub, as they are there. No pickle."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prune_core.model.hub import hub_errors
from prune_core.schema.errors import UserError
from prune_core.schema.paths import given_path, is_file, is_folder

END_OF_TEXT = "<|endoftext|>"

Columns = Callable[[Sequence[str]], list[str]]
"""Of the columns that are there, those wanted; UserError where one that is needed is not."""


@dataclass(frozen=True)
class Rows:
    """Rows in their order: strings, or objects with columns. `where` names their source in messages.

    `streamed`: they come from a dataset one by one, and their end may be far.
    """

    rows: Iterable[Any]
    where: str
    streamed: bool = False


def open_rows(source: str, subset: str | None, split: str, columns: Columns) -> Rows:
    """The rows of a text file, or of a dataset on the hub or in a local folder.

    Raises UserError, at the latest while the rows are read, where the source is not there or cannot be read.
    """
    path = given_path(source)
    if is_file(path):
        return Rows(_file_rows(path, columns), str(path))
    local = path.suffix.lower() in READERS or path.is_absolute() or source.startswith((".", "~"))
    if local and not is_folder(path):
        raise UserError(f"There is no text file {source}: check the path.")
    name = str(path) if local else source
    return Rows(_dataset_rows(name, subset, split), f"Dataset {name}", True)


def plain_text(path: Path) -> str:
    """What a .txt file holds."""
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error


def require(column: str, there: Sequence[str], where: str) -> None:
    """UserError where `column` is not among those that are `there`."""
    if column not in there:
        raise UserError(f"{where} has no column {column!r}: choose one of {', '.join(map(str, there))}.")


def _file_rows(path: Path, columns: Columns) -> Iterable[Any]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(READERS)
        raise UserError(f"{path} has a file type that is not read here: give one of {kinds}.")
    try:
        return list(reader(path, columns))
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error


def _not_utf8(path: Path, error: UnicodeDecodeError) -> UserError:
    return UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.")


def _dataset_rows(name: str, subset: str | None, split: str) -> Iterator[Any]:
    """Streamed from its start: nobody waits for all of C4 to be downloaded."""
    import datasets  # slow to import, and most sessions never need it
    from datasets.exceptions import DatasetNotFoundError

    try:
        with hub_errors("dataset", name):
            yield from datasets.load_dataset(name, subset, split=split, streaming=True)
    except DatasetNotFoundError as error:
        raise UserError(f"The hub has no dataset {name!r}, or it is private or gated: check the id.") from error
    except (ValueError, FileNotFoundError, RuntimeError) as error:  # unknown subset or split, no data files, a script
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"Dataset {name} (subset {subset}, split {split}) cannot be read: {reason}") from error


def _txt(path: Path, columns: Columns) -> list[str]:
    """Parts between <|endoftext|> marks if there are any, else paragraphs if there are blank lines, else lines."""
    text = plain_text(path)
    if END_OF_TEXT in text:
        return text.split(END_OF_TEXT)
    return re.split(r"\n\s*\n", text) if re.search(r"\n\s*\n", text) else text.splitlines()


def _jsonl(path: Path, columns: Columns) -> Iterator[Any]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if line.strip():
            yield _parse(line, f"Line {number} of {path}")


def _json(path: Path, columns: Columns) -> list[Any]:
    found = _parse(path.read_text(encoding="utf-8-sig") or "[]", str(path))
    if not isinstance(found, list):
        raise UserError(f"{path} holds no JSON list: give a list of strings, or of objects with columns.")
    return found


def _csv(path: Path, columns: Columns) -> list[Any]:
    import pandas  # only for this file type

    try:  # a header that pandas knows of makes an index of what the first row has too much, so it is read as a row
        table = pandas.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pandas.errors.EmptyDataError:
        return []
    except pandas.errors.ParserError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not a valid CSV file ({reason}): quote fields that hold commas.") from error
    names, *rows = table.to_numpy().tolist()
    places = {name: names.index(name) for name in columns(names)}
    return [{name: row[place] for name, place in places.items()} for row in rows]


def _parquet(path: Path, columns: Columns) -> list[Any]:
    import pyarrow  # only for this file type
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        return file.read(columns=columns(file.schema_arrow.names)).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path} is not a whole Parquet file ({error}): fetch it again.") from error


READERS: dict[str, Callable[[Path, Columns], Iterable[Any]]] = {
    ".txt": _txt,
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{where} is not valid JSON ({error}).") from error
