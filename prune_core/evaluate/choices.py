"""Multiple-choice tasks answered repeatedly by one model in memory, item by item, as lm-eval scores them.

The items are read and tokenised once; then each call answers them with whatever the model computes at that moment.
"""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from prune_core.evaluate.tasks import ACCURACIES, chance, choose_tasks
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.progress import Progress
from prune_core.schema.skill_map import Skill

Right = dict[tuple[str, str], np.ndarray]
"""For each (task, metric), float64 [items]: 1 where the model chooses the right answer, else 0."""


@dataclass(frozen=True)
class Choices:
    """The items of some tasks, ready to be answered by the model of `lm`, an lm-eval model class."""

    lm: Any
    tasks: dict[str, Any]

    @property
    def answers(self) -> int:
        """How many answers each call scores."""
        return sum(len(task.instances) for task in self.tasks.values())

    def right(self) -> Right:
        """The items answered by the model as it is now. The means equal those of `run_tasks` exactly."""
        from prune_core.evaluate.harness import quietly

        found: Right = {}
        for name, task in self.tasks.items():
            with quietly(self.lm.model, self.lm.progress):
                answers = self.lm.loglikelihood(task.instances)
            for request, answer in zip(task.instances, answers, strict=True):
                request.resps = [answer]
            found |= {(name, metric): values for metric, values in _scores(task).items()}
        return found

    def skills(self, right: Right) -> tuple[Skill, ...]:
        """What the keys of `right` stand for."""
        return tuple(
            Skill(name, metric, len(values), chance(self.tasks[name], len(values)) or 0.0)
            for (name, metric), values in right.items()
        )

    def note(self) -> str:
        """How the items are presented and scored."""
        shots = sorted({task.get_config("num_fewshot") for task in self.tasks.values()})
        return f"lm-eval {version('lm_eval')}, {' or '.join(map(str, shots))}-shot"


def choices(model: PreTrainedModel, tokenizer: Any, evaluation: Evaluation, progress: Progress) -> Choices:
    """The items of `evaluation.tasks` as `run_tasks` presents them. Answering them reports progress per answer.

    UserError for a task that is not multiple-choice, and for what `run_tasks` refuses.
    """
    tasks = choose_tasks(evaluation, progress).tasks
    if not tasks:
        raise UserError("There are no tasks to measure skills with: name at least one.")
    for name, task in tasks.items():
        if task.get_config("output_type") != "multiple_choice":
            raise UserError(f"The task {name} is not multiple-choice: leave it out of the map of skills.")
    from prune_core.evaluate.harness import ResidentLM, make_ready, quietly  # lm-eval takes seconds to import

    progress.stage("preparing the items", len(tasks), "tasks")
    with quietly(model, progress):
        lm: Any = ResidentLM(model, tokenizer, _Ticking(progress))
        lm.tokenise_once()  # rather than once per planned model
        for name, task in tasks.items():
            make_ready({"tasks": {name: task}, "groups": {}, "group_map": {}}, evaluation.fewshot)
            task.build_all_requests(limit=evaluation.task_limit)
            progress.advance()
    return Choices(lm, tasks)


def _scores(task: Any) -> dict[str, np.ndarray]:
    """Each accuracy of one task, float64 [items], computed by lm-eval from the answers in its requests."""
    task.apply_filters()
    by_item: dict[int, list[Any]] = {}
    for request in sorted(task.instances, key=lambda request: (request.doc_id, request.idx)):
        by_item.setdefault(request.doc_id, []).append(request)
    (used,) = task.instances[0].filtered_resps  # a multiple-choice task has one filter, which takes the answer as it is
    scored = [
        task.process_results(requests[0].doc, [request.filtered_resps[used] for request in requests])
        for requests in by_item.values()
    ]
    return {metric: np.array([float(each[metric]) for each in scored]) for metric in ACCURACIES if metric in scored[0]}


@dataclass(frozen=True)
class _Ticking:
    """A `Progress` that only passes on ticks: the stage belongs to the whole map, not to each planned model."""

    progress: Progress

    def stage(self, name: str, total: int, unit: str = "steps") -> None: ...

    def advance(self, done: int = 1) -> None:
        self.progress.advance(min(done, 1))  # an answer each, however many tokens it has
