"""Recipes and runs: build, measure before and after, list."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from prune_core import catalogue, console, jobs, serial, worker
from prune_core.commands.asking import answer, depth, make_runner, model_ref
from prune_core.commands.options import (
    By,
    Column,
    Device,
    Layers,
    Precision,
    Replaced,
    Text,
)
from prune_core.recipes import read_recipe
from prune_core.specs import (
    Evaluation,
    PushResult,
    PushSpec,
    RunResult,
    RunSpec,
)
from prune_core.store import Store, home, write_text
from prune_core.types import (
    Calibration,
    HeldOut,
    UserError,
)
from prune_core.wording import describe, plan_from_words


def recipe(
    out: Annotated[Path, typer.Argument(help="Where to write the recipe.")],
    layers: Layers = "",
    replace: Replaced = "",
    by: By = "linear",
    model: Annotated[str, typer.Option(help="Local folder, hub id, or 'demo'.")] = "demo",
    text: Text = "demo",
    heldout: Annotated[str, typer.Option(help="Text for perplexity: a file, a dataset, or 'demo'.")] = "demo",
    column: Column = "text",
    joined: Annotated[bool, typer.Option(help="Score the held-out text as one stream, as is the custom.")] = False,
    context: Annotated[int, typer.Option(help="Context length of the perplexity, in tokens.")] = 256,
    stride: Annotated[int, typer.Option(help="Stride of the perplexity, in tokens.")] = 128,
    tasks: Annotated[str, typer.Option(help="lm-eval tasks, separated by commas; '' for none.")] = "demo_skills",
    task_folder: Annotated[str, typer.Option(help="Folder of task YAML files, or 'demo'.")] = "demo",
    prompt: Annotated[list[str] | None, typer.Option(help="A prompt to continue; may be given several times.")] = None,
    device: Device = "auto",
    dtype: Precision = "auto",
) -> None:
    """Write a recipe file: which model, which layers to drop or replace, and what to measure before and after."""
    ref = model_ref(model, device, dtype)
    evaluation = Evaluation(
        heldout=HeldOut(heldout, column=column, context=context, stride=stride, joined=joined),
        tasks=tuple(filter(None, tasks.split(","))),
        task_folder=task_folder,
        prompts=tuple(prompt or Evaluation().prompts),
    )
    plan = plan_from_words(depth(ref), layers, replace, by)
    write_text(out, serial.dumps(RunSpec(ref, Calibration(text, column=column), plan, evaluation)))
    print(f"Wrote {out}: {describe(plan)}. Run it with: python -m prune_core run {out}")


def run(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe.json, exported or from `recipe`.")],
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON to this file.")] = None,
    resume: Annotated[str, typer.Option(help="Go on with this unfinished run of the recipe.")] = "",
    anew: Annotated[bool, typer.Option("--anew", help="Start a new run, even where one was interrupted.")] = False,
) -> None:
    """Run a recipe: build the checkpoint, measure before and after, keep it all in the store.

    Where a run of the same recipe was interrupted, it goes on with that one; what was finished is not done again.
    """
    spec = read_recipe(recipe_file)
    run_id = resume or ("" if anew else _interrupted(spec)) or jobs.job_id(spec)
    if resume:
        _check_same(resume, spec)
    elif Store(home()).folder(run_id).exists():
        print(f"Going on with {run_id}, which was interrupted; --anew starts a new run.")
    try:
        result = answer(RunResult, spec, run_id)
    except (KeyboardInterrupt, UserError):
        print(f"Go on from here with: python -m prune_core run {recipe_file} --resume {run_id}", file=sys.stderr)
        raise
    print(f"{describe(spec.plan)}\n")
    console.show_comparison(result)
    print(f"\nCheckpoint: {Store(home()).folder(run_id) / result.checkpoint}")
    if out is not None:
        write_text(out, serial.dumps(result))


def _interrupted(spec: RunSpec) -> str:
    """The newest run of this recipe whose process died, "" where there is none."""
    store = Store(home())
    stopped = (run.id for run in catalogue.entries(store) if run.state == "interrupted")
    return next((run_id for run_id in stopped if store.spec(run_id) == spec), "")


def _check_same(run_id: str, spec: RunSpec) -> None:
    """Raise UserError where the run is done, or of another recipe."""
    store = Store(home())
    state = catalogue.entry(store, run_id).state
    if state not in jobs.STOPPED:
        raise UserError(f"Run {run_id} cannot be resumed, since it is {state}: leave out --resume for a new run.")
    if store.spec(run_id) != spec:
        raise UserError(f"Run {run_id} is of another recipe: export its own with `runs export {run_id} --recipe FILE`.")


def push(
    run_id: Annotated[str, typer.Argument(help="A finished run; `runs` lists them.")],
    repository: Annotated[str, typer.Argument(help="The new hub repository, owner/name.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it.")] = False,
) -> None:
    """Push a run's checkpoint to the Hugging Face hub; log in first with `hf auth login`."""
    print(f"Pushed to {answer(PushResult, PushSpec(run_id, repository, not public)).address}")


def mergekit(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe.json, exported or from `recipe`.")],
) -> None:
    """Print the cut of a recipe as a mergekit recipe, with a warning where mergekit's result would not be that cut."""
    from prune_core.model import inspect, read_config  # torch and transformers take seconds
    from prune_core.transform.mergekit import mergekit_recipe

    spec = read_recipe(recipe_file)
    dtype = inspect(spec.model).stored_dtype
    print(mergekit_recipe(spec.plan, spec.model, dtype, read_config(spec.model)), end="")


def serve_worker(parent: Annotated[int | None, typer.Option(help="End when this process is gone.")] = None) -> None:
    """The app's worker process; started by the app."""

    worker.serve(Store(home()), lambda: make_runner(Store(home())), parent)
