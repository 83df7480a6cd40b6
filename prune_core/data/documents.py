"""Documents: the strings of a text file or dataset, or of its column. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from prune_core.data.rows import Rows, open_rows, require
from prune_core.schema import demo
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, HeldOut

DATASET_ROWS = 20_000
"""Where documents are drawn from a dataset, they are from its first rows, this many at most."""


@dataclass(frozen=True)
class Documents:
    """Documents as they are there, empty ones too. `where` names their source; `streamed`: see `Rows`."""

    texts: Iterator[str]
    where: str
    streamed: bool


def open_documents(source: str, subset: str | None, split: str, column: str) -> Documents:
    """The documents of a file or dataset, as its type has them:

    .txt: parts between <|endoftext|> marks if there are any, else paragraphs if there are blank lines, else lines.
    .jsonl, .json: a string or an object with `column` a line, or a list of them. .csv, .parquet, datasets: the column.
    """

    def columns(there):
        require(column, there, source)
        return [column]

    found = open_rows(source, subset, split, columns)
    return Documents(_column(found, column), found.where, found.streamed)


def calibration_source(calibration: Calibration) -> tuple[str, str | None, str, str]:
    """(source, subset, split, column), the demo's text as a file."""
    if calibration.source == "demo":
        return str(demo.CALIBRATION_TEXT), None, calibration.split, calibration.column
    return calibration.source, calibration.subset, calibration.split, calibration.column


def load_documents(source: str, subset: str | None = None, split: str = "train", column: str = "text") -> list[str]:
    """The documents of a text file, or of a dataset on the hub (or in a local folder), stripped, without empty ones;
    of a dataset those in its first 20,000 rows.

    Raises UserError where the source is not there, cannot be read, lacks the column, or is empty.
    """
    return [text.strip() for text in _texts(source, subset, split, column) if text.strip()]


def _texts(source: str, subset: str | None, split: str, column: str) -> list[str]:
    """As `load_documents`, but as they are there."""
    found = open_documents(source, subset, split, column)
    texts = list(islice(found.texts, DATASET_ROWS) if found.streamed else found.texts)
    if not any(text.strip() for text in texts):
        raise empty(source)
    return texts


def empty(source: str) -> UserError:
    return UserError(f"{source} is empty: give a file or dataset with text in it.")


def heldout_documents(heldout: HeldOut) -> list[str]:
    """The documents that perplexity is measured on, in their order.

    Those to be joined are as they are there, empty ones too: published figures on WikiText-2 are of all its lines.
    """
    read = _texts if heldout.joined else load_documents
    if heldout.source == "demo":
        return read(str(demo.HELDOUT_TEXT), None, heldout.split, heldout.column)
    return read(heldout.source, heldout.subset, heldout.split, heldout.column)


def calibration_documents(calibration: Calibration) -> list[str]:
    """All documents that calibration sequences of one document each are drawn from, in their order."""
    return load_documents(*calibration_source(calibration))


def _column(found: Rows, column: str) -> Iterator[str]:
    """The strings among the rows, or under `column` of rows that are objects; a null is an empty document."""
    for row in found.rows:
        if isinstance(row, dict):
            require(column, list(row), found.where)
            row = row[column]
        if row is not None and not isinstance(row, str):
            kind = type(row).__name__
            raise UserError(f"{found.where} holds {kind} values where text was expected in {column!r}.")
        yield row or ""
