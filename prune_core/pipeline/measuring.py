"""The metrics of a run, in parts that are saved as each finishes, so that a resumed run repeats none of them.

The donor's parts are stored by request and model, so that the next run with the same requests finds them; the pruned
model's, and what is measured on both in turns, are stored with the run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prune_core.data.calibration import heldout_documents
from prune_core.evaluate.agreement import agreement
from prune_core.evaluate.generate import continuations
from prune_core.evaluate.memory import memory
from prune_core.evaluate.perplexity import check_windows, perplexity
from prune_core.evaluate.retention import Group, retained_performance, retention
from prune_core.evaluate.speed import speed
from prune_core.evaluate.stability import stability
from prune_core.evaluate.tasks import Chosen, choose_tasks, group_metrics, score_task
from prune_core.model.load import LoadedModel
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.fingerprint import fingerprint
from prune_core.schema.inputs import Calibration
from prune_core.schema.plan import Plan
from prune_core.schema.progress import Progress
from prune_core.schema.reports import Agreement, Continuation, Metric, Outcomes, Report, TaskScore
from prune_core.schema.run import RunSpec
from prune_core.store.store import Store

DONOR, PRUNED = "donor", "pruned"
NOTHING = Evaluation(tasks=(), task_folder=None, prompts=())
"""The least that an evaluation can request, to be filled in with the one request that a part answers."""

Metrics = tuple[Metric, ...]
Keeper = Callable[[str, Evaluation, Any, Callable[[], Any]], Any]


@dataclass(frozen=True)
class Side:
    """One of the two models. `part(name, asked, cls, make)` is its part of type `cls`: stored, or else made now."""

    label: str
    loaded: LoadedModel
    part: Keeper


@dataclass(frozen=True)
class Asked:
    """The texts and tasks that both models are measured on."""

    documents: list[str]
    chosen: Chosen


def prepare(spec: RunSpec, donor: LoadedModel, progress: Progress) -> Asked:
    """Read the held-out text and the tasks, so that problems with them are reported before anything is built."""
    check_windows(donor.model, spec.evaluation.heldout)
    return Asked(heldout_documents(spec.evaluation.heldout), choose_tasks(spec.evaluation, progress))


def compare(
    store: Store,
    run_id: str,
    spec: RunSpec,
    asked: Asked,
    donor: LoadedModel,
    pruned: LoadedModel,
    checkpoint: Path,
    progress: Progress,
) -> tuple[Report, Report, Agreement]:
    """Donor and pruned model measured in the same way, and compared with each other."""
    sides = Side(DONOR, donor, _donors(store, spec, donor)), Side(PRUNED, pruned, _runs(store, run_id))
    reports, scores = [], []
    for side in sides:
        told = Labelled(progress, side.label)
        on_text = _perplexity(side, spec.evaluation, asked.documents, told)
        scores.append(_tasks(side, spec.evaluation, asked.chosen, told))
        on_tasks = [metric for score in scores[-1] for metric in score.metrics]
        metrics = (*on_text, *on_tasks, *group_metrics(asked.chosen, on_tasks))
        reports.append(Report(side.label, side.loaded.info.num_layers, metrics, _texts(side, spec.evaluation, told)))
    agreed = _agreement(sides[1], donor, spec.evaluation, asked, scores, progress)
    cost = _cost(sides[1], donor, checkpoint, spec.evaluation, progress)
    full = [replace(report, metrics=report.metrics + cost[report.label]) for report in reports]
    return full[0], full[1], agreed


def _perplexity(side: Side, evaluation: Evaluation, documents: list[str], progress: Progress) -> Metrics:
    model, tokenizer, heldout = side.loaded.model, side.loaded.tokenizer, evaluation.heldout
    asked = replace(NOTHING, heldout=heldout)
    return side.part("perplexity", asked, Metrics, lambda: perplexity(model, tokenizer, heldout, documents, progress))


def _tasks(side: Side, evaluation: Evaluation, chosen: Chosen, progress: Progress) -> list[TaskScore]:
    def one(name: str) -> TaskScore:
        asked = replace(
            NOTHING,
            tasks=(chosen.asked[name],),
            task_folder=evaluation.task_folder,
            task_limit=evaluation.task_limit,
            fewshot=evaluation.fewshot,
        )
        model, tokenizer = side.loaded.model, side.loaded.tokenizer
        make = partial(score_task, model, tokenizer, chosen, name, evaluation, progress)
        return side.part(f"task {name}", asked, TaskScore, make)

    return [one(name) for name in chosen.tasks]


def _texts(side: Side, evaluation: Evaluation, progress: Progress) -> tuple[Continuation, ...]:
    settings = {name: getattr(evaluation, name) for name in ("prompts", "new_tokens", "temperature", "text_seed")}
    asked = replace(NOTHING, **settings)
    model, tokenizer = side.loaded.model, side.loaded.tokenizer
    args = evaluation.prompts, evaluation.new_tokens, progress, evaluation.temperature, evaluation.text_seed
    return side.part("texts", asked, tuple[Continuation, ...], lambda: continuations(model, tokenizer, *args))


def _agreement(
    pruned: Side,
    donor: LoadedModel,
    evaluation: Evaluation,
    asked: Asked,
    scores: list[list[TaskScore]],
    progress: Progress,
) -> Agreement:
    """Token by token on the held-out text, item by item on the tasks."""
    texts = donor.tokenizer, evaluation.heldout, asked.documents
    make = partial(agreement, donor.model, pruned.loaded.model, *texts, progress)
    on_text = pruned.part("agreement", NOTHING, Metrics, make)
    before, after = _answers(*scores)
    on_tasks = (*retained_performance(before, after), *stability(before, after))
    chances = {(m.task, m.name): m.chance for score in scores[0] for m in score.metrics if m.chance is not None}
    return Agreement(on_text + on_tasks, retention(before, after, _groups(asked.chosen), chances))


def _answers(donor: list[TaskScore], pruned: list[TaskScore]) -> tuple[list[Outcomes], list[Outcomes]]:
    """Both models' answers to the tasks whose items are right or wrong."""
    pairs = [(a.outcomes, b.outcomes) for a, b in zip(donor, pruned, strict=True)]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    return [a for a, _ in both], [b for _, b in both]


def _groups(chosen: Chosen) -> list[Group]:
    """lm-eval's groups that report a mean."""
    found = []
    for name, group in chosen.groups.items():
        rules = group.aggregate_metric_list or []
        members = tuple(task.task_name for task in group.get_all_tasks())
        by_size = all(rule.weight_by_size for rule in rules)
        found.append(Group(name, members, tuple(rule.metric for rule in rules), by_size))
    return found


def _cost(
    pruned: Side, donor: LoadedModel, checkpoint: Path, evaluation: Evaluation, progress: Progress
) -> dict[str, Metrics]:
    """What the models cost: speed, measured in turns, and memory."""
    models, folders = {DONOR: donor.model, PRUNED: pruned.loaded.model}, {DONOR: donor.folder, PRUNED: checkpoint}
    speeds = pruned.part("speed", NOTHING, dict[str, Metrics], lambda: speed(models, evaluation.speed, progress))
    found = {}
    for label, model in models.items():
        held = pruned.part(
            f"memory {label}", NOTHING, Metrics, partial(memory, model, folders[label], evaluation.speed)
        )
        found[label] = speeds[label] + held
    return found


def _runs(store: Store, run_id: str) -> Keeper:
    """Parts stored with the run, whose spec never changes."""
    return lambda name, asked, cls, make: store.part(run_id, quote(name, safe=" "), cls, make)


def _donors(store: Store, spec: RunSpec, donor: LoadedModel) -> Keeper:
    """Parts stored for any run with the same request for this model, at this precision, with these versions."""
    info = donor.info
    ref = replace(spec.model, dtype=info.dtype, device=info.device)
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "transformers", "lm_eval"))

    def part(name: str, asked: Evaluation, cls: Any, make: Callable[[], Any]) -> Any:
        question = RunSpec(ref, Calibration(), Plan(info.num_layers), asked, versions)
        return store.part(f"donor-{fingerprint(question)}", quote(name, safe=" "), cls, make)

    return part


@dataclass(frozen=True)
class Labelled:
    """A `Progress` that names the model in each stage."""

    progress: Progress
    label: str

    def stage(self, name: str, total: int, unit: str = "steps") -> None:
        self.progress.stage(f"{self.label} model: {name}", total, unit)

    def advance(self, done: int = 1) -> None:
        self.progress.advance(done)
