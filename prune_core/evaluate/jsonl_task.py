"""A JSON-lines file as an lm-eval task: each line an object with "query", "choices" and "gold", the right one's number.

{"query": "Question: ...?\nAnswer:", "choices": ["yes", "no"], "gold": 0}

The score is that of a YAML task with doc_to_text "{{query}}", doc_to_choice "{{choices}}" and doc_to_target gold: a
space parts query and choice, and few-shot examples are drawn from the file's other items.
"""

import json
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict
from lm_eval.api.task import ConfigurableTask

from prune_core.types import UserError


def jsonl_task(path: Path) -> ConfigurableTask:
    """The task of the items in `path`, called as the file is, with acc and acc_norm. UserError as `read_items`."""
    items = read_items(path)
    return ConfigurableTask(
        config={
            "task": path.stem,
            "custom_dataset": lambda **_: DatasetDict({"test": Dataset.from_list(items)}),
            "test_split": "test",
            "fewshot_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "query",  # names of columns, so no template is filled in for each item
            "doc_to_choice": "choices",
            "doc_to_target": "gold",
            "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
            "metadata": {"version": 1.0},
        }
    )


def read_items(path: Path) -> list[dict[str, Any]]:
    """The items of a JSON-lines file; empty lines are passed over, other keys left out.

    UserError for a file that is not there, holds no item or is no UTF-8, and for the first bad line, with its number.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines would cut at signs that JSON allows
    except OSError as error:
        raise UserError(f"The task file {path} cannot be read ({error.strerror}): check the path.") from error
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
            f"The task file {path} has no items: give one JSON object a line, with query, choices and gold."
        )
    return items


def _item(line: str) -> tuple[dict[str, Any], str]:
    """The item on a line, and what is wrong with it in words, with the remedy; empty where nothing is."""
    try:
        found = json.loads(line)
    except ValueError as error:
        return {}, f"is not valid JSON ({error}): write one object a line"
    if not isinstance(found, dict):
        return {}, "is no JSON object: write query, choices and gold in braces"
    missing = [key for key in ("query", "choices", "gold") if key not in found]
    if missing:
        return {}, f"has no {' and no '.join(missing)}: every item needs query, choices and gold"
    query, choices, gold = found["query"], found["choices"], found["gold"]
    if not isinstance(query, str):
        return {}, f"has a query that is no text ({query!r:.40}): put it in quotes"
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(c, str) and c for c in choices):
        return {}, f"has choices that are not two or more texts ({choices!r:.40}): list them in quotes, none empty"
    if type(gold) is not int or not 0 <= gold < len(choices):
        return {}, f"has gold {gold!r:.40}: give the right choice's number, 0 to {len(choices) - 1}"
    return {"query": query, "choices": choices, "gold": gold}, ""
