"""Scores on lm-evaluation-harness tasks, measured on the model in memory: the numbers of lm-eval's command line.

Each task is scored by itself. Its figures equal those of `lm_eval --model hf --tasks NAME --batch_size N` on the saved
model, digit for digit, where N is the batch that each metric notes. (Another one, or tasks scored together, pads
differently, which moves log-likelihoods in their last bits and can turn a tie.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from prune_core.schema import demo
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.paths import given_path, is_folder
from prune_core.schema.progress import Progress, Silent
from prune_core.schema.reports import Metric, Outcomes, TaskScore

ACCURACIES = ("acc", "acc_norm")
"""Share of right choices, by log-likelihood and by log-likelihood per byte: the metrics on which guessing scores."""
FRACTIONS = (*ACCURACIES, "exact_match")


@dataclass(frozen=True)
class Chosen:
    """lm-eval's tasks and groups by name, loaded; `asked` tells which name of the evaluation brought each task."""

    tasks: dict[str, Any]
    groups: dict[str, Any]
    asked: dict[str, str]


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
    chosen = choose_tasks(evaluation, progress)
    metrics = [m for n in chosen.tasks for m in score_task(model, tokenizer, chosen, n, evaluation, progress).metrics]
    return (*metrics, *group_metrics(chosen, metrics))


def choose_tasks(evaluation: Evaluation, progress: Progress) -> Chosen:
    """The evaluation's tasks with their items, as lm-eval's command line loads them."""
    if not evaluation.tasks:
        return Chosen({}, {}, {})
    progress.stage("loading tasks", 1)
    # Here and not above: lm-eval takes seconds to import, and whoever runs no tasks should not wait for it.
    from prune_core.evaluate.harness import seed_like_command_line
    from prune_core.evaluate.task_list import load_each

    if evaluation.fewshot is not None and evaluation.fewshot < 0:
        raise UserError(f"{evaluation.fewshot} few-shot examples are too few: give 0 or more.")
    if evaluation.task_limit is not None and evaluation.task_limit < 1:
        raise UserError(f"A limit of {evaluation.task_limit} leaves no items to score: give 1 or more, or no limit.")
    loaded = load_each(evaluation.tasks, folder_of(evaluation.task_folder), seed_like_command_line)
    progress.advance()
    chosen = Chosen({}, {}, {})
    for name, found in loaded.items():
        chosen.tasks.update(found["tasks"])
        chosen.groups.update(found["groups"])
        chosen.asked.update(dict.fromkeys(found["tasks"], name))
    return chosen


def score_task(
    model: PreTrainedModel, tokenizer: Any, chosen: Chosen, name: str, evaluation: Evaluation, progress: Progress
) -> TaskScore:
    """lm-eval's metrics of the task called `name`, and the model's answer to each item."""
    from prune_core.evaluate.harness import score

    task, limit = chosen.tasks[name], evaluation.task_limit
    only: Any = {"tasks": {name: task}, "groups": {}, "group_map": {}}
    results, lm = score(model, tokenizer, only, limit, progress, evaluation.fewshot)
    count, shots = results["n-samples"][name]["effective"], results["n-shot"][name]
    fixed = evaluation.fewshot not in (None, shots)
    parts = [f"lm-eval {version('lm_eval')}", f"{shots}-shot{' as the task is written' if fixed else ''}"]
    parts += [f"batch {lm.batch_size}"]
    parts += [f"first {limit} items of each task"] if limit else []
    cut = lm.truncated[name]
    parts += [f"{cut:,} requests cut on the left to the model's context"] if cut else []
    better = results["higher_is_better"].get(name, {})
    metrics = _metrics(name, results["results"][name], better, count, chance(task, count), ", ".join(parts))
    return TaskScore(tuple(metrics), _outcomes(name, results["samples"][name], lm.answer_tokens))


def group_metrics(chosen: Chosen, metrics: list[Metric]) -> Iterator[Metric]:
    """The means of the groups, from `metrics` of their tasks, by lm-eval's own rules and with its errors."""
    raw = {name: _raw([m for m in metrics if m.task == name]) for name in chosen.tasks}
    better = {_keys(m.name)[0]: m.higher_is_better for m in metrics}
    for name, group in chosen.groups.items():
        members = {task.task_name for task in group.get_all_tasks()}
        of_first = next((m.note for m in metrics if m.task in members), "")
        found = group.aggregate(raw)
        note = f"mean of {len(members)} tasks, {of_first}"
        yield from _metrics(name, found, better, found.get("sample_len", 0), _group_chance(group, metrics), note)


def folder_of(task_folder: str | None) -> Path | None:
    """Where the task files are; None for lm-eval's own tasks alone. UserError for a folder that is not there."""
    if task_folder is None:
        return None
    folder = demo.TASKS if task_folder == "demo" else given_path(task_folder)
    if not is_folder(folder):
        raise UserError(f"The task folder {folder} does not exist: give a folder that holds lm-eval task files.")
    return folder.resolve()


def _metrics(
    name: str, found: dict[str, Any], better: dict[str, bool], count: int, chance: float | None, note: str
) -> list[Metric]:
    """The numbers that lm-eval reports for one task or group; its keys are "metric,filter"."""
    metrics = []
    for key, value in found.items():
        metric, _, filtered = key.partition(",")
        if not filtered or metric.endswith("_stderr") or not isinstance(value, (int, float)):
            continue
        stderr = found.get(f"{metric}_stderr,{filtered}")
        metrics.append(
            Metric(
                name=_name(metric, filtered),
                task=name,
                value=float(value),
                unit="fraction" if metric in FRACTIONS else "",
                higher_is_better=better.get(metric) is not False,
                stderr=float(stderr) if isinstance(stderr, (int, float)) else None,
                chance=chance if metric in ACCURACIES else None,
                samples=count,
                note=note,
            )
        )
    return metrics


def _name(metric: str, filtered: str) -> str:
    return metric if filtered == "none" else f"{metric} ({filtered})"


def _keys(name: str) -> tuple[str, str]:
    """lm-eval's metric and filter, of which `_name` made `name`."""
    metric, _, filtered = name.removesuffix(")").partition(" (")
    return metric, filtered or "none"


def _raw(metrics: list[Metric]) -> dict[str, Any]:
    """The metrics of one task as lm-eval's groups read them."""
    found: dict[str, Any] = {"sample_len": metrics[0].samples or 0} if metrics else {}
    for each in metrics:
        metric, filtered = _keys(each.name)
        found[f"{metric},{filtered}"] = each.value
        found[f"{metric}_stderr,{filtered}"] = "N/A" if each.stderr is None else each.stderr
    return found


def _outcomes(name: str, samples: list[dict[str, Any]], tokens: dict[tuple[int, int], int]) -> Outcomes | None:
    """The answers in lm-eval's record, where they are right or wrong; None for tasks that are scored otherwise."""
    right: dict[str, tuple[int, ...]] = {}
    for filtered in dict.fromkeys(sample["filter"] for sample in samples):
        items = sorted((s for s in samples if s["filter"] == filtered), key=lambda s: s["doc_id"])
        for metric in FRACTIONS:
            values = [item.get(metric, -1) for item in items]
            if all(value in (0, 1) for value in values):
                right[_name(metric, filtered)] = tuple(int(value) for value in values)
    if not right:
        return None
    answers = [(s["doc_id"], s["filtered_resps"]) for s in sorted(samples, key=lambda s: s["doc_id"])]
    if "acc" not in right or not all(len(each) > 1 and isinstance(each[0], tuple) for _, each in answers):
        return Outcomes(name, right)
    lls = tuple(tuple(float(ll) for ll, _ in each) for _, each in answers)
    counts = tuple(tuple(tokens[item, choice] for choice in range(len(each))) for item, each in answers)
    return Outcomes(name, right, lls, counts)


def chance(task: Any, count: int) -> float | None:
    """The accuracy of guessing on the first `count` items; None where the task does not choose among answers."""
    stated = (task.get_config("metadata") or {}).get("chance")
    if stated is not None:
        return float(stated)
    if task.get_config("output_type") != "multiple_choice":
        return None
    docs = (doc for _, doc in zip(range(count), task.eval_docs, strict=False))
    return float(np.mean([1 / len(task.doc_to_choice(doc)) for doc in docs]))


def _group_chance(group: Any, metrics: list[Metric]) -> float | None:
    """The members' chance, averaged as the group averages its scores; None unless every member has one."""
    members = {task.task_name for task in group.get_all_tasks()}
    each = {m.task: (m.chance, m.samples or 0) for m in metrics if m.task in members and m.chance is not None}
    if set(each) != members:
        return None
    by_size = all(rule.weight_by_size for rule in group.aggregate_metric_list or [])
    weights = [samples if by_size else 1 for _, samples in each.values()]
    return float(np.average([chance for chance, _ in each.values()], weights=weights))
