"""The items of a JSON-lines file of tasks, read and checked without lm-eval, which takes seconds to import."""

import json
from pathlib import Path
from typing import Any

from prune_core.schema.errors import UserError
from prune_core.schema.paths import given_path, is_file

JSONL = ".jsonl"


def jsonl_file(name: str, folder: Path | None) -> Path:
    """The file that a name ending in .jsonl refers to: beside the other tasks if it is there, else at that path."""
    path = given_path(name)
    return folder / path if folder is not None and is_file(folder / path) else path


def read_items(path: Path) -> list[dict[str, Any]]:
    """The items of a JSON-lines file; empty lines are skipped, other keys left out.

    UserError for a file that is missing, empty or not UTF-8, and for the first bad line, with its number.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines splits at characters that JSON allows
    except OSError as error:
        remedy = "check the path" if " " not in str(path) else "check the path, and separate tasks by commas"
        raise UserError(f"The task file {path} cannot be read ({error.strerror}): {remedy}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"The task file {path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    items = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            item, wrong = _item(line)
            if wrong:
                raise UserError(f"Line {number} of {path.name} {wrong}.")
            items.append(item)
    if not items:
        raise UserError(
            f"The task file {path} has no items: give one JSON object per line, with query, choices and gold."
        )
    return items


def _item(line: str) -> tuple[dict[str, Any], str]:
    """The item on a line, and what is wrong with it in words, with the remedy; empty if nothing is."""
    try:
        found = json.loads(line)
    except ValueError as error:
        return {}, f"is not valid JSON ({error}): write one object per line"
    if not isinstance(found, dict):
        return {}, "is not a JSON object: write query, choices and gold in braces"
    missing = [key for key in ("query", "choices", "gold") if key not in found]
    if missing:
        return {}, f"has no {' and no '.join(missing)}: every item needs query, choices and gold"
    query, choices, gold = found["query"], found["choices"], found["gold"]
    if not isinstance(query, str):
        return {}, f"has a query that is not text ({query!r:.40}): put it in quotes"
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(c, str) and c for c in choices):
        return {}, f"has choices that are not two or more texts ({choices!r:.40}): list them in quotes, none empty"
    if type(gold) is not int or not 0 <= gold < len(choices):
        return {}, f"has gold {gold!r:.40}: give the right choice's number, 0 to {len(choices) - 1}"
    return {"query": query, "choices": choices, "gold": gold}, ""
