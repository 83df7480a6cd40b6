"""A JSON-lines file as an lm-eval task: each line an object with "query", "choices" and "gold", the right one's index.

{"query": "Question: ...?\nAnswer:", "choices": ["yes", "no"], "gold": 0}

The score is that of a YAML task with doc_to_text "{{query}}", doc_to_choice "{{choices}}" and doc_to_target gold: a
space separates query and choice, and few-shot examples are drawn from the file's other items.
"""

from pathlib import Path

from datasets import Dataset, DatasetDict
from lm_eval.api.task import ConfigurableTask

from prune_core.evaluate.jsonl_items import read_items


def jsonl_task(path: Path) -> ConfigurableTask:
    """The task of the items in `path`, named after the file, with acc and acc_norm. UserError as `read_items`."""
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
