"""Raw documents from text files (.txt, .jsonl, .json, .csv, .parquet) and from datasets on the hub. No pickle."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from prune_core.model.hub import hub_errors
from prune_core.schema.errors import UserError

DATASET_ROWS = 20_000
"""A hub dataset is streamed from its start, this many rows at most: a draw from C4 must not download all of it."""

END_OF_TEXT = "<|endoftext|>"


def read_file(path: Path, column: str) -> list[str]:
    """The documents of a file, as its type has them:

    .txt: parts between <|endoftext|> marks if there are any, else paragraphs if there are blank lines, else lines.
    .jsonl, .json: a string or an object with `column` a line, or a list of them. .csv, .parquet: the column.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(READERS)
        raise UserError(f"{path} has a file type that is not read here: give one of {kinds}.")
    try:
        return list(reader(path, column))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error


def read_dataset(name: str, subset: str | None, split: str, column: str) -> list[str]:
    """The column of a dataset on the hub or in a local folder, the first 20,000 rows of the split at most."""
    import datasets  # slow to import, and most sessions never need it
    from datasets.exceptions import DatasetNotFoundError

    try:
        with hub_errors("dataset", name):
            rows = datasets.load_dataset(name, subset, split=split, streaming=True)
            return _column(islice(rows, DATASET_ROWS), column, f"Dataset {name}")
    except DatasetNotFoundError as error:
        raise UserError(f"The hub has no dataset {name!r}, or it is private or gated: check the id.") from error
    except (ValueError, FileNotFoundError, RuntimeError) as error:  # unknown subset or split, no data files, a script
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"Dataset {name} (subset {subset}, split {split}) cannot be read: {reason}") from error


def _txt(path: Path, column: str) -> list[str]:
    text = path.read_text(encoding="utf-8-sig").strip()
    if END_OF_TEXT in text:
        return text.split(END_OF_TEXT)
    return re.split(r"\n\s*\n", text) if re.search(r"\n\s*\n", text) else text.splitlines()


def _jsonl(path: Path, column: str) -> list[str]:
    def rows() -> Iterator[Any]:
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
            if line.strip():
                yield _parse(line, f"Line {number} of {path}")

    return _column(rows(), column, str(path))


def _json(path: Path, column: str) -> list[str]:
    found = _parse(path.read_text(encoding="utf-8-sig") or "[]", str(path))
    if not isinstance(found, list):
        raise UserError(f"{path} holds no JSON list: give a list of strings, or of objects with the column {column!r}.")
    return _column(found, column, str(path))


def _csv(path: Path, column: str) -> list[str]:
    import pandas  # only for this file type

    try:
        table = pandas.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pandas.errors.EmptyDataError:
        return []
    except pandas.errors.ParserError as error:
        raise UserError(f"{path} is not a valid CSV file ({error}): quote fields that hold commas.") from error
    _require(column, table.columns.tolist(), str(path))
    return table[column].tolist()


def _parquet(path: Path, column: str) -> list[str]:
    import pyarrow  # only for this file type
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        _require(column, file.schema_arrow.names, str(path))
        values = file.read(columns=[column]).column(column).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path} is not a whole Parquet file ({error}): fetch it again.") from error
    return _column(values, column, str(path))


READERS: dict[str, Callable[[Path, str], list[str]]] = {
    ".txt": _txt,
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _column(rows: Iterable[Any], column: str, where: str) -> list[str]:
    """The strings among `rows`, or under `column` of rows that are objects; a null is an empty document."""
    texts = []
    for row in rows:
        if isinstance(row, dict):
            _require(column, list(row), where)
            row = row[column]
        if row is not None and not isinstance(row, str):
            raise UserError(f"{where} holds {type(row).__name__} values where text was expected in {column!r}.")
        texts.append(row or "")
    return texts


def _require(column: str, there: Sequence[str], where: str) -> None:
    if column not in there:
        raise UserError(f"{where} has no column {column!r}: choose one of {', '.join(map(str, there))}.")


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{where} is not valid JSON ({error}).") from error
