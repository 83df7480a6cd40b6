"""All methods at one budget, side by side: what each cuts, what that costs, how long it takes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from prune_core.cli.asking import answer, model_ref
from prune_core.cli.options import Device, Precision, listed
from prune_core.cli.texts import looked_at, takes_a_text
from prune_core.methods import METHODS, Method, method_named
from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import MeasureSpec, PlanResult, PlanSpec, PreviewSpec
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation, SpeedSettings
from prune_core.schema.fingerprint import fingerprint
from prune_core.schema.inputs import Calibration, HeldOut, ModelRef
from prune_core.schema.measures import LayerStats
from prune_core.schema.plan import DropPart, Plan
from prune_core.schema.reports import Metric, Preview
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.wording import describe, metric_in_words, seconds_in_words
from prune_core.store import catalogue, jobs
from prune_core.store.files import write_text

LIGHT = Evaluation(
    heldout=HeldOut(max_tokens=4096),
    speed=SpeedSettings(prompt_tokens=16, new_tokens=2, warmup=0, repeats=1),
    prompts=(),
)
"""What a run measures here besides the tasks: as little as possible. The table shows none of it."""


@dataclass(frozen=True)
class Row:
    """Everything about one method. `choosing_s` includes measuring the maps, for methods that use them."""

    method: Method
    plan: Plan
    preview: Preview
    run: RunResult
    choosing_s: float


@takes_a_text
def compare(
    text: Calibration,
    budget: Annotated[int, typer.Option(help="How many layers each method removes.")],
    methods: Annotated[str, typer.Option(help="Method names, comma-separated; empty for all.")] = "",
    model: Annotated[str, typer.Option(help="Local folder, hub id, or 'demo'.")] = "demo",
    tasks: Annotated[str, typer.Option(help="lm-eval tasks, comma-separated.")] = "demo_skills",
    task_folder: Annotated[str, typer.Option(help="Folder of task files, or 'demo'; '' for none.")] = "demo",
    limit: Annotated[int | None, typer.Option(help="Use only the first N items of each task; default: all.")] = None,
    device: Device = "auto",
    dtype: Precision = "auto",
    out: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
) -> None:
    """Compare methods at the same budget: each chooses, is previewed, built and scored. Sorted by loss, best first."""
    ref = model_ref(model, device, dtype)
    names = listed(methods) or [method.name for method in METHODS]
    chosen = [method_named(name).at_budget() for name in names]
    asked = replace(LIGHT, tasks=listed(tasks), task_folder=task_folder or None, task_limit=limit)
    looked_at(ref, text)
    rows, notes = [], []
    for method in chosen:
        try:
            rows.append(_row(ref, text, method, budget, asked))
        except UserError as error:
            notes.append(f"Left out: {method.label}. {error}")
    if not rows:
        raise UserError("No method produced a plan, so there is no table. " + "\n".join(notes))
    halved = [row.method.label for row in rows if any(isinstance(edit, DropPart) for edit in row.plan.edits)]
    if halved:
        notes.insert(0, f"{' and '.join(halved)}: dropped parts stay as zeros, so they save less than whole layers.")
    shown = "\n".join([*_table(rows), *notes]) + "\n"
    print(shown, end="")
    if out is not None:
        write_text(out, shown)


def _row(ref: ModelRef, calibration: Calibration, method: Method, budget: int, asked: Evaluation) -> Row:
    maps = answer(LayerStats, MeasureSpec(ref, calibration)).seconds if method.needs == "similarity" else 0.0
    chosen = answer(PlanResult, PlanSpec(ref, calibration, method, budget))
    preview = answer(Preview, PreviewSpec(ref, calibration, chosen.plan))
    run = _run(RunSpec(ref, calibration, chosen.plan, asked))
    return Row(method, chosen.plan, preview, run, maps + chosen.seconds)


def _run(spec: RunSpec) -> RunResult:
    """A finished run of exactly this recipe, on the same model, texts and tasks, or else a new one."""
    store, asked = open_store(), fingerprint(spec)
    same = (run.id for run in catalogue.entries(store) if run.state == "done" and store.origin(run.id) == asked)
    kept = (result for result in map(store.result, same) if isinstance(result, RunResult))
    return next(kept, None) or answer(RunResult, spec, jobs.job_id(spec))


# --- the table --------------------------------------------------------------------------------------------------------


def _table(rows: list[Row]) -> list[str]:
    """Markdown: a line that says what was measured, the donor, then the methods by loss."""
    ordered = sorted(rows, key=lambda row: row.preview.loss)
    first = ordered[0]
    skills = _skills(first.run.donor.metrics)
    heads = ["", "What it cuts", "Loss", "Change", *skills, "Choosing", "Building"]
    donor = ["donor", "nothing", f"{first.preview.donor_loss:.3f}", "", *map(metric_in_words, skills.values()), "", ""]
    chance = ["guessing", "", "", "", *("" if m.chance is None else f"{m.chance:.1%}" for m in skills.values()), "", ""]
    lines = [heads, ["---"] * len(heads), donor, chance, *map(_cells, ordered)]
    said = (
        f"Loss in nats per token and its change on {first.preview.tokens:,} tokens of the calibration text; skills are "
        "accuracies of the built checkpoint. ± is one standard error."
    )
    return [said, "", *("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines), ""]


def _cells(row: Row) -> list[str]:
    change = f"{row.preview.loss - row.preview.donor_loss:+.3f} ± {row.preview.delta_stderr:.3f}"
    skills = map(metric_in_words, _skills(row.run.pruned.metrics).values())
    times = _time(row.choosing_s), _time(row.run.build_seconds)
    return [row.method.label, describe(row.plan), f"{row.preview.loss:.3f}", change, *skills, *times]


def _skills(metrics: tuple[Metric, ...]) -> dict[str, Metric]:
    """Each task's accuracy, by the task's name: "acc" if it has one, else its first fraction of items."""
    found: dict[str, Metric] = {}
    for metric in metrics:
        if metric.unit == "fraction" and (metric.task not in found or metric.name == "acc"):
            found[metric.task] = metric
    return found


def _time(seconds: float | None) -> str:
    return "" if seconds is None else seconds_in_words(seconds)
