"""Write a recipe: which model, what to cut, what to measure before and after."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from prune_core.cli.asking import depth, model_ref
from prune_core.cli.options import Attention, By, Device, Layers, MLPs, Precision, Replaced, listed
from prune_core.cli.texts import takes_a_text
from prune_core.evaluate.jsonl_items import JSONL, jsonl_file, read_items
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation, SpeedSettings
from prune_core.schema.inputs import Calibration, HeldOut
from prune_core.schema.paths import given_path, is_folder
from prune_core.schema.presets import TASK_PRESETS, WINDOW_PRESETS, with_tasks, with_windows
from prune_core.schema.run import RunSpec
from prune_core.schema.wording import describe, plan_from_words
from prune_core.store.files import write_text

TASK_NAMES = ", ".join(preset.name for preset in TASK_PRESETS)
WINDOW_NAMES = ", ".join(preset.name for preset in WINDOW_PRESETS)
SPEED = SpeedSettings()


@takes_a_text
def recipe(
    text: Calibration,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the recipe, for example cut.json.")],
    layers: Layers = "",
    replace: Replaced = "",
    by: By = "linear",
    attention: Attention = "",
    mlp: MLPs = "",
    model: Annotated[str, typer.Option(help="Local folder, hub id, or 'demo'.")] = "demo",
    heldout: Annotated[str, typer.Option(help="Text for perplexity: a file, a dataset, or 'demo'.")] = "demo",
    subset: Annotated[str | None, typer.Option(help="Dataset subset, such as wikitext-2-raw-v1.")] = None,
    split: Annotated[str, typer.Option(help="Dataset split.")] = "test",
    windows: Annotated[str, typer.Option(help=f"Preset for the perplexity windows: {WINDOW_NAMES}.")] = "demo",
    joined: Annotated[bool | None, typer.Option(help="Score the held-out text as one stream.")] = None,
    context: Annotated[int | None, typer.Option(help="Context length for perplexity, in tokens.")] = None,
    stride: Annotated[int | None, typer.Option(help="Stride for perplexity, in tokens.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Maximum tokens of held-out text.")] = None,
    preset: Annotated[str, typer.Option(help=f"Preset of tasks: {TASK_NAMES}.")] = "",
    tasks: Annotated[
        str | None, typer.Option(help="lm-eval tasks and .jsonl files of items, comma-separated; '' for none.")
    ] = None,
    task_folder: Annotated[str | None, typer.Option(help="Folder of task files, or 'demo'.")] = None,
    fewshot: Annotated[int | None, typer.Option(help="Solved examples before each item; default: the task's.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use only the first N items of each task; default: all.")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="A prompt to continue; repeatable.")] = None,
    batch: Annotated[int, typer.Option(help="Speed: batch size.")] = SPEED.batch,
    prompt_tokens: Annotated[int, typer.Option(help="Speed: prompt tokens.")] = SPEED.prompt_tokens,
    new_tokens: Annotated[int, typer.Option(help="Speed: generated tokens.")] = SPEED.new_tokens,
    warmup: Annotated[int, typer.Option(help="Speed: untimed rounds.")] = SPEED.warmup,
    repeats: Annotated[int, typer.Option(help="Speed: timed rounds, models alternating.")] = SPEED.repeats,
    device: Device = "auto",
    dtype: Precision = "auto",
) -> None:
    """Write a recipe file: which model, which layers to drop or replace, and what to measure before and after."""
    if preset and tasks is not None:
        raise UserError(f"--preset {preset} and --tasks {tasks} both name tasks: give only one of them.")
    ref = model_ref(model, device, dtype)
    cut = with_windows(HeldOut(heldout, subset, split, HeldOut.column if text.chat else text.column), windows)
    given = {"joined": joined, "context": context, "stride": stride, "max_tokens": max_tokens}
    chosen = with_tasks(Evaluation(), preset) if preset else Evaluation()
    named = chosen.tasks if tasks is None else listed(tasks)
    folder = chosen.task_folder if task_folder is None else task_folder or None
    _check_files(named, folder)
    evaluation = Evaluation(
        heldout=_changed(cut, given),
        tasks=named,
        task_folder=folder,
        task_limit=limit,
        fewshot=chosen.fewshot if fewshot is None else fewshot,
        speed=SpeedSettings(batch, prompt_tokens, new_tokens, warmup, repeats),
        prompts=tuple(prompt or Evaluation().prompts),
    )
    plan = plan_from_words(depth(ref), layers, replace, by, attention, mlp)
    write_text(out, serial.dumps(RunSpec(ref, text, plan, evaluation)))
    remedy = "" if plan.edits else " (add --drop to cut some)"
    print(f"Wrote {out}: {describe(plan)}{remedy}. Run it with: layerscope run {out}")


def _check_files(tasks: tuple[str, ...], task_folder: str | None) -> None:
    """Report problems in local task files now; names are looked up by the run, which has lm-eval loaded."""
    folder = None if task_folder in (None, "demo") else given_path(task_folder)
    if folder is not None and not is_folder(folder):
        raise UserError(f"The task folder {folder} does not exist: give a folder that holds lm-eval task files.")
    for name in tasks:
        if name.endswith(JSONL):
            read_items(jsonl_file(name, folder))
        if name.endswith((".yaml", ".yml")):
            raise UserError(f"'{name}' is a file: give the task's name, and its folder with --task-folder.")


def _changed(heldout: HeldOut, given: dict) -> HeldOut:
    """`heldout` with the settings that were given."""
    return dataclasses.replace(heldout, **{name: value for name, value in given.items() if value is not None})
