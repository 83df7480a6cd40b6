"""Hands lm-eval the items that lie beside this file, from whatever directory it was started."""

from pathlib import Path

from datasets import Dataset, DatasetDict


def load(name: str, **_: object) -> DatasetDict:
    """The test split of one skill."""
    return DatasetDict({"test": Dataset.from_json(str(Path(__file__).with_name(f"{name}.jsonl")))})
