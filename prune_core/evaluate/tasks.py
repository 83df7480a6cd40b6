"""Scores on lm-evaluation-harness tasks, measured on the model in memory: the numbers of lm-eval's command line.

They equal those of `lm_eval --model hf --batch_size N` on the saved model, digit for digit, where N is the batch that
each metric notes. (Another one pads differently, which moves log-likelihoods in their last bits and can turn a tie.)
"""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import PreTrainedModel

from prune_core import assets
from prune_core.reports import Metric
from prune_core.specs import Evaluation
from prune_core.types import Progress, Silent, UserError

if TYPE_CHECKING:
    from lm_eval.api.group import Group

ACCURACIES = ("acc", "acc_norm")
"""Share of right choices, by log-likelihood and by log-likelihood per byte: the metrics on which guessing scores."""
FRACTIONS = (*ACCURACIES, "exact_match")


def run_tasks(
    model: PreTrainedModel,
    tokenizer: Any,
    evaluation: Evaluation,
    progress: Progress | None = None,
) -> tuple[Metric, ...]:
    """Every metric of `evaluation.tasks`, members of a group first and then the group's own mean.

    "acc" and "acc_norm" are values in 0..1 with unit "fraction" (pages write them as percent). `stderr` is lm-eval's;
    `chance` is metadata.chance of the task's YAML where given, else the mean of 1 / choices over the scored items;
    `samples` are items. UserError for an unknown task, a data set out of reach, and scores that are not numbers.
    """
    progress = progress or Silent()
    if not evaluation.tasks:
        return ()
    progress.stage("loading tasks", 1)
    # Here and not above: lm-eval takes seconds to import, and whoever runs no tasks should not wait for it.
    from prune_core.evaluate.harness import score
    from prune_core.evaluate.task_list import load_tasks

    chosen = load_tasks(evaluation.tasks, folder_of(evaluation.task_folder))
    progress.advance()
    results, lm = score(model, tokenizer, chosen, evaluation.task_limit, progress)
    metrics = []
    for name, task in chosen["tasks"].items():
        count = results["n-samples"][name]["effective"]
        note = _note(results, name, lm.batch_size, evaluation.task_limit, lm.truncated[name])
        metrics += _metrics(results, name, count, chance(task, count), note)
    for name, group in chosen.get("groups", {}).items():
        members = [task.task_name for task in group.get_all_tasks()]
        note = f"mean of {len(members)} tasks, {_note(results, members[0], lm.batch_size, evaluation.task_limit)}"
        count = results["results"][name].get("sample_len", 0)
        metrics += _metrics(results, name, count, _group_chance(group, metrics), note)
    return tuple(metrics)


def folder_of(task_folder: str | None) -> Path | None:
    """Where the task files are; None for lm-eval's own tasks alone. UserError for a folder that is not there."""
    if task_folder is None:
        return None
    folder = assets.TASKS if task_folder == "demo" else Path(task_folder).expanduser()
    if not folder.is_dir():
        raise UserError(f"The task folder {folder} does not exist: give a folder that holds lm-eval task files.")
    return folder.resolve()


def _metrics(results: Any, name: str, count: int, chance: float | None, note: str) -> list[Metric]:
    """The numbers that lm-eval reports for one task or group; its keys are "metric,filter"."""
    found = []
    for key, value in results["results"][name].items():
        metric, _, filtered = key.partition(",")
        if not filtered or metric.endswith("_stderr") or not isinstance(value, (int, float)):
            continue
        stderr = results["results"][name].get(f"{metric}_stderr,{filtered}")
        found.append(
            Metric(
                name=metric if filtered == "none" else f"{metric} ({filtered})",
                task=name,
                value=float(value),
                unit="fraction" if metric in FRACTIONS else "",
                higher_is_better=results["higher_is_better"].get(name, {}).get(metric) is not False,
                stderr=float(stderr) if isinstance(stderr, (int, float)) else None,
                chance=chance if metric in ACCURACIES else None,
                samples=count,
                note=note,
            )
        )
    return found


def _note(results: Any, name: str, batch: object, limit: int | None, truncated: int = 0) -> str:
    parts = [f"lm-eval {version('lm_eval')}", f"{results['n-shot'][name]}-shot", f"batch {batch}"]
    parts += [f"first {limit} items of each task"] if limit else []
    parts += [f"{truncated:,} requests cut on the left to the model's context"] if truncated else []
    return ", ".join(parts)


def chance(task: Any, count: int) -> float | None:
    """The accuracy of guessing on the first `count` items; None where the task does not choose among answers."""
    stated = (task.get_config("metadata") or {}).get("chance")
    if stated is not None:
        return float(stated)
    if task.get_config("output_type") != "multiple_choice":
        return None
    docs = (doc for _, doc in zip(range(count), task.eval_docs, strict=False))
    return float(np.mean([1 / len(task.doc_to_choice(doc)) for doc in docs]))


def _group_chance(group: "Group", metrics: list[Metric]) -> float | None:
    """The members' chance, averaged as the group averages its scores; None unless every member has one."""
    members = {task.task_name for task in group.get_all_tasks()}
    each = {m.task: (m.chance, m.samples or 0) for m in metrics if m.task in members and m.chance is not None}
    if set(each) != members:
        return None
    by_size = all(rule.weight_by_size for rule in group.aggregate_metric_list or [])
    weights = [samples if by_size else 1 for _, samples in each.values()]
    return float(np.average([chance for chance, _ in each.values()], weights=weights))
