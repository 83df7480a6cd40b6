"""Examine a model: its size, its similarity maps, what cuts would cost."""

from pathlib import Path
from typing import Annotated

import typer

from prune_core.cli import model_tables
from prune_core.cli.asking import answer, delta, depth, model_ref
from prune_core.cli.options import (
    Attention,
    By,
    Device,
    Layers,
    MLPs,
    Model,
    Precision,
    Replaced,
    listed,
)
from prune_core.cli.texts import looked_at, takes_a_text
from prune_core.pipeline.specs import DropMapSpec, InspectSpec, MeasureSpec, PreviewSpec, SkillMapSpec
from prune_core.schema.drop_map import DropMap, damage_csv
from prune_core.schema.inputs import Calibration, ModelInfo
from prune_core.schema.measures import EXTRA_MEASURES, LayerStats, stats_csv
from prune_core.schema.reports import Preview
from prune_core.schema.skill_map import SkillMap, skills_csv
from prune_core.schema.wording import plan_from_words
from prune_core.search.block_sets import best_sets, remeasured
from prune_core.store.files import write_text


def inspect(model: Model = "demo", device: Device = "auto", dtype: Precision = "auto") -> None:
    """Show how large a model is and whether it fits in memory, without loading it."""
    model_tables.show_info(answer(ModelInfo, InspectSpec(model_ref(model, device, dtype)), anew=True))  # memory changes


@takes_a_text
def measure_layers(
    text: Calibration,
    model: Model = "demo",
    device: Device = "auto",
    dtype: Precision = "auto",
    rbf: Annotated[bool, typer.Option("--rbf", help="Also measure CKA with a Gaussian kernel; slower.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write every pair of states and every measure to this file.")] = None,
) -> None:
    """Measure how similar all pairs of hidden states are, in one pass, and print the best block of each size."""
    extras = tuple(m.name for m in EXTRA_MEASURES) if rbf else ()
    ref = model_ref(model, device, dtype)
    drawn = looked_at(ref, text)
    stats = answer(LayerStats, MeasureSpec(ref, text, extras=extras))
    model_tables.show_stats(stats, text, drawn)
    if csv is not None:
        write_text(csv, stats_csv(stats))
        print(f"\nAll pairs written to {csv}.")


@takes_a_text
def preview(
    text: Calibration,
    model: Model = "demo",
    layers: Layers = "",
    replace: Replaced = "",
    by: By = "linear",
    attention: Attention = "",
    mlp: MLPs = "",
    device: Device = "auto",
    dtype: Precision = "auto",
) -> None:
    """Measure what dropping or replacing layers does to the loss, without building anything."""
    ref = model_ref(model, device, dtype)
    plan = plan_from_words(depth(ref), layers, replace, by, attention, mlp)
    looked_at(ref, text)
    model_tables.show_preview(answer(Preview, PreviewSpec(ref, text, plan)))


@takes_a_text
def dropmap(
    text: Calibration,
    model: Model = "demo",
    device: Device = "auto",
    dtype: Precision = "auto",
    budget: Annotated[int | None, typer.Option(help="Also find the best set of blocks of this many layers.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the damage of every block to this file.")] = None,
) -> None:
    """Measure the loss of dropping every contiguous block. If interrupted, the next call resumes."""
    ref = model_ref(model, device, dtype)
    looked_at(ref, text)
    drops = answer(DropMap, DropMapSpec(ref, text))
    stats = answer(LayerStats, MeasureSpec(ref, text))
    model_tables.show_drops(drops, stats, text)
    if budget is not None:
        candidates = best_sets(drops.delta, budget)
        model_tables.show_sets(remeasured(candidates, lambda layers: delta(ref, text, drops.num_layers, layers)))
    if csv is not None:
        write_text(csv, damage_csv(drops))
        print(f"\nAll blocks written to {csv}.")


def skillmap(
    model: Model = "demo",
    tasks: Annotated[str, typer.Option(help="Multiple-choice lm-eval tasks, comma-separated.")] = "demo_skills",
    task_folder: Annotated[str, typer.Option(help="Folder of task files, 'demo', or '' for lm-eval's own.")] = "demo",
    limit: Annotated[int, typer.Option(help="Items per task; 0 for all.")] = 100,
    fewshot: Annotated[
        int | None, typer.Option(help="Solved examples before each item; default: the task's own.")
    ] = None,
    size: Annotated[int, typer.Option(help="Layers to drop together: measures every block of this size.")] = 1,
    device: Device = "auto",
    dtype: Precision = "auto",
    csv: Annotated[Path | None, typer.Option(help="Write every block and skill to this file.")] = None,
) -> None:
    """Measure what dropping each layer costs each skill. If interrupted, the next call resumes."""
    spec = SkillMapSpec(
        model_ref(model, device, dtype), listed(tasks), task_folder or None, limit or None, fewshot, size
    )
    skills = answer(SkillMap, spec)
    model_tables.show_skills(skills)
    if csv is not None:
        write_text(csv, skills_csv(skills))
        print(f"\nAll blocks and skills written to {csv}.")
