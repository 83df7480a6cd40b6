"""Recipes and runs: build, measure before and after, push, convert."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from prune_core.cli import run_tables
from prune_core.cli.asking import answer, make_runner
from prune_core.export.recipes import read_recipe
from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import PushResult, PushSpec
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.fingerprint import fingerprint
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.wording import describe
from prune_core.store import catalogue, jobs, worker
from prune_core.store.files import write_text


def run(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe.json, exported or from `recipe`.")],
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON to this file.")] = None,
    resume: Annotated[str, typer.Option(help="Resume this unfinished run of the recipe.")] = "",
    anew: Annotated[bool, typer.Option("--anew", help="Start a new run, even if one was interrupted.")] = False,
    trust: Annotated[bool, typer.Option("--trust-remote-code", help="Run the model's own code.")] = False,
) -> None:
    """Run a recipe: build the checkpoint, measure before and after, and keep everything in the store.

    An interrupted run of the same recipe is resumed; finished parts are not repeated.
    """
    spec = read_recipe(recipe_file)
    if spec.model.trust_remote_code and not trust:
        raise UserError(
            f"The recipe runs code that comes with the model {spec.model.path}: if you trust its author, add "
            "--trust-remote-code."
        )
    run_id = resume or ("" if anew else _interrupted(spec)) or jobs.job_id(spec)
    if resume:
        _check_same(resume, spec)
    elif open_store().folder(run_id).exists():
        print(f"Resuming {run_id}, which was interrupted; --anew starts a new run.")
    try:
        result = answer(RunResult, spec, run_id)
    except (KeyboardInterrupt, UserError):
        print(f"Resume with: layerscope run {recipe_file} --resume {run_id}", file=sys.stderr)
        raise
    print(f"{describe(spec.plan)}\n")
    run_tables.show_comparison(result)
    print(f"\nCheckpoint: {open_store().folder(run_id) / result.checkpoint}")
    if out is not None:
        write_text(out, serial.dumps(result))


def _interrupted(spec: RunSpec) -> str:
    """The newest run of this recipe whose process died and whose inputs are unchanged; "" if there is none."""
    store, begun = open_store(), (None, fingerprint(spec))
    stopped = (run.id for run in catalogue.entries(store) if run.state == "interrupted")
    return next((run_id for run_id in stopped if store.spec(run_id) == spec and store.origin(run_id) in begun), "")


def _check_same(run_id: str, spec: RunSpec) -> None:
    """Raise UserError if the run is done, or is of another recipe."""
    store = open_store()
    state = catalogue.entry(store, run_id).state
    if state not in jobs.STOPPED:
        raise UserError(f"Run {run_id} cannot be resumed because it is {state}: leave out --resume to start a new run.")
    if store.spec(run_id) != spec:
        raise UserError(f"Run {run_id} is of another recipe: export its own with `runs export {run_id} --recipe FILE`.")


def push(
    run_id: Annotated[str, typer.Argument(help="A finished run; `runs` lists them.")],
    repository: Annotated[str, typer.Argument(help="The new Hub repository, owner/name.")],
    public: Annotated[bool, typer.Option("--public", help="Make it public.")] = False,
) -> None:
    """Push a run's checkpoint to the Hugging Face Hub; log in first with `hf auth login`."""
    pushed = answer(PushResult, PushSpec(run_id, repository, not public), anew=True)
    print(f"Pushed to {pushed.address}")


def mergekit(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe.json, exported or from `recipe`.")],
) -> None:
    """Print a recipe's cut as a mergekit recipe, with a warning if mergekit's result would differ from it."""
    from prune_core.cut.mergekit import mergekit_recipe
    from prune_core.model.load import inspect, read_config  # torch and transformers take seconds to import

    spec = read_recipe(recipe_file)
    dtype = inspect(spec.model).stored_dtype
    print(mergekit_recipe(spec.plan, spec.model, dtype, read_config(spec.model)), end="")


def serve_worker(parent: Annotated[int | None, typer.Option(help="Exit when this process is gone.")] = None) -> None:
    """The app's worker process; started by the app."""

    worker.serve(open_store(), lambda: make_runner(open_store()), parent)
