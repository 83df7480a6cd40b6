"""See which layers of a language model repeat each other, cut them, and measure what the cut costs.

The same specs, pipeline and store as the app, so whatever is run here shows up there.
"""

import json
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from prune_core import console, jobs, serial, worker
from prune_core.block_sets import best_sets, remeasured
from prune_core.damage import DropMap, damage_csv
from prune_core.fitting import NETWORKS
from prune_core.measures import EXTRA_MEASURES, stats_csv
from prune_core.methods import from_words, method_named
from prune_core.specs import (
    DropMapSpec,
    Evaluation,
    InspectSpec,
    MeasureSpec,
    PlanResult,
    PlanSpec,
    PreviewSpec,
    Result,
    RunResult,
    RunSpec,
    Spec,
)
from prune_core.store import Store, home, write_text
from prune_core.types import (
    Calibration,
    Dtype,
    HeldOut,
    LayerStats,
    ModelInfo,
    ModelRef,
    Preview,
    UserError,
    drop_plan,
)
from prune_core.wording import describe, plan_from_words

T = TypeVar("T", bound=Result)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Model = Annotated[str, typer.Argument(help="Local folder, hub id, or 'demo' for the model that ships here.")]
Text = Annotated[str, typer.Option(help="Calibration text: a .txt, .jsonl, .json, .csv or .parquet file, or 'demo'.")]
Column = Annotated[str, typer.Option(help="The column that holds the text, in files that have columns.")]
Samples = Annotated[int, typer.Option(help="How many documents to use.")]
SeqLen = Annotated[int, typer.Option(help="Tokens kept of each document.")]
Seed = Annotated[int, typer.Option(help="Seed for drawing the documents.")]
Layers = Annotated[str, typer.Option("--drop", help="Layers to drop, both ends meant: '9-12' or '3,9-12'.")]
Replaced = Annotated[str, typer.Option("--replace", help="Blocks to replace, both ends meant: '9-12' or '3-5,9-12'.")]
By = Annotated[str, typer.Option(help=f"What replaces them: {', '.join(n.name for n in NETWORKS)}.")]
Device = Annotated[str, typer.Option(help="cuda, mps, cpu, or auto.")]
Precision = Annotated[Dtype, typer.Option(help="How weights are held in memory.")]


@app.command()
def inspect(model: Model = "demo", device: Device = "auto", dtype: Precision = "auto") -> None:
    """Say how large a model is and whether it fits, without loading it."""
    console.show_info(_answer(ModelInfo, InspectSpec(_ref(model, device, dtype))))


@app.command("measure")
def measure_layers(
    model: Model = "demo",
    text: Text = "demo",
    column: Column = "text",
    samples: Samples = 64,
    seq_len: SeqLen = 128,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Precision = "auto",
    rbf: Annotated[bool, typer.Option("--rbf", help="Also measure CKA with a Gaussian kernel; takes longer.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write every pair of states and every measure to this file.")] = None,
) -> None:
    """Measure how alike all hidden states are, in one pass, and print the best block of each size."""
    calibration = Calibration(text, column=column, samples=samples, seq_len=seq_len, seed=seed)
    extras = tuple(m.name for m in EXTRA_MEASURES) if rbf else ()
    stats = _answer(LayerStats, MeasureSpec(_ref(model, device, dtype), calibration, extras=extras))
    console.show_stats(stats)
    if csv is not None:
        write_text(csv, stats_csv(stats))
        print(f"\nAll pairs written to {csv}.")


@app.command()
def preview(
    model: Model = "demo",
    layers: Layers = "",
    replace: Replaced = "",
    by: By = "linear",
    text: Text = "demo",
    column: Column = "text",
    samples: Samples = 64,
    seq_len: SeqLen = 128,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Precision = "auto",
) -> None:
    """Measure what dropping or replacing layers does to the loss, without building anything."""
    ref = _ref(model, device, dtype)
    calibration = Calibration(text, column=column, samples=samples, seq_len=seq_len, seed=seed)
    plan = plan_from_words(_depth(ref), layers, replace, by)
    console.show_preview(_answer(Preview, PreviewSpec(ref, calibration, plan)))


@app.command()
def dropmap(
    model: Model = "demo",
    text: Text = "demo",
    column: Column = "text",
    samples: Samples = 64,
    seq_len: SeqLen = 128,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Precision = "auto",
    budget: Annotated[int | None, typer.Option(help="Also find the best set of blocks of so many layers.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the damage of every block to this file.")] = None,
) -> None:
    """Measure the loss of dropping every contiguous block; what was measured before a stop is kept and gone on from."""
    ref = _ref(model, device, dtype)
    calibration = Calibration(text, column=column, samples=samples, seq_len=seq_len, seed=seed)
    drops = _answer(DropMap, DropMapSpec(ref, calibration))
    stats = _answer(LayerStats, MeasureSpec(ref, calibration))
    console.show_drops(drops, stats)
    if budget is not None:
        candidates = best_sets(drops.delta, budget)
        console.show_sets(remeasured(candidates, lambda layers: _delta(ref, calibration, drops.num_layers, layers)))
    if csv is not None:
        write_text(csv, damage_csv(drops))
        print(f"\nAll blocks written to {csv}.")


@app.command()
def methods() -> None:
    """List the methods that choose layers, their settings and where they were published."""
    console.show_methods()


@app.command("plan")
def choose_layers(
    method: Annotated[str, typer.Option(help="The method's name; `methods` lists them.")],
    model: Annotated[str, typer.Option(help="Local folder, hub id, or 'demo'.")] = "demo",
    budget: Annotated[int | None, typer.Option(help="How many layers to remove.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="name=value; may be given several times.")] = None,
    text: Text = "demo",
    column: Column = "text",
    samples: Samples = 64,
    seq_len: SeqLen = 128,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Precision = "auto",
    out: Annotated[Path | None, typer.Option(help="Write the plan as a recipe to this file.")] = None,
) -> None:
    """Have a method choose the layers; with a budget, a threshold that is not set is found for it."""
    ref = _ref(model, device, dtype)
    calibration = Calibration(text, column=column, samples=samples, seq_len=seq_len, seed=seed)
    chosen = from_words(method_named(method), settings or [], budget)
    result = _answer(PlanResult, PlanSpec(ref, calibration, chosen, budget))
    console.show_plan(result, chosen)
    if out is not None:
        write_text(out, serial.dumps(RunSpec(ref, calibration, result.plan, Evaluation())))
        print(f"Wrote {out}. Run it with: python -m prune_core run {out}")


@app.command()
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
    ref = _ref(model, device, dtype)
    evaluation = Evaluation(
        heldout=HeldOut(heldout, column=column, context=context, stride=stride, joined=joined),
        tasks=tuple(filter(None, tasks.split(","))),
        task_folder=task_folder,
        prompts=tuple(prompt or Evaluation().prompts),
    )
    plan = plan_from_words(_depth(ref), layers, replace, by)
    write_text(out, serial.dumps(RunSpec(ref, Calibration(text, column=column), plan, evaluation)))
    print(f"Wrote {out}: {describe(plan)}. Run it with: python -m prune_core run {out}")


@app.command()
def run(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe.json, exported or from `recipe`.")],
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON to this file.")] = None,
) -> None:
    """Run a recipe: build the checkpoint, measure before and after, keep it all in the store."""
    spec = read_recipe(recipe_file)
    run_id = jobs.job_id(spec)
    result = _answer(RunResult, spec, run_id)
    print(f"{describe(spec.plan)}\n")
    console.show_comparison(result)
    print(f"\nCheckpoint: {Store(home()).folder(run_id) / result.checkpoint}")
    if out is not None:
        write_text(out, serial.dumps(result))


@app.command()
def runs() -> None:
    """List all finished, failed and running runs, newest first."""
    store = Store(home())
    for run_id in store.ids("run"):
        spec, job = store.spec(run_id), jobs.status(store, run_id)
        if isinstance(spec, RunSpec) and job is not None:
            print(f"{run_id}  {job.state:9}  {spec.model.path}: {describe(spec.plan)}")


@app.command(hidden=True, name="worker")
def serve_worker(parent: Annotated[int | None, typer.Option(help="End when this process is gone.")] = None) -> None:
    """The app's worker process; started by the app."""

    worker.serve(Store(home()), lambda: _runner(Store(home())), parent)


def read_recipe(path: Path) -> RunSpec:
    """The run that a recipe file describes. Raises UserError where it is missing, no JSON or no recipe."""
    try:
        return serial.from_json(RunSpec, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"There is no file {path}: give the path of a recipe.json.") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON ({error}): give a recipe.json that LayerScope wrote.") from None


def _ref(model: str, device: str, dtype: Dtype) -> ModelRef:
    return ModelRef(model, device=device, dtype=dtype)


def _depth(ref: ModelRef) -> int:
    return _answer(ModelInfo, InspectSpec(ref)).num_layers


def _delta(ref: ModelRef, calibration: Calibration, num_layers: int, layers: tuple[int, ...]) -> float:
    """The previewed change of loss, nats per token."""
    seen = _answer(Preview, PreviewSpec(ref, calibration, drop_plan(num_layers, layers)))
    return seen.loss - seen.donor_loss


def _runner(store: Store) -> worker.Runner:
    from prune_core.pipeline import runner  # torch and transformers take seconds: imported once there is work

    return runner(store)


def _answer(cls: type[T], spec: Spec, run_id: str | None = None) -> T:
    """The result of `spec`: the kept one, or made here and now with a line of progress."""
    store = Store(home())
    run_id = run_id or jobs.job_id(spec)
    job = store.job(run_id)
    if job is None or job.state != "done":
        store.save_spec(run_id, spec)
        job = worker.execute(store, run_id, _runner(store), console.ProgressLine())
    result = store.result(run_id)
    if job is None or job.state != "done" or not isinstance(result, cls):
        ended = "is being run by another process" if job is not None and job.state == "running" else "was cancelled"
        raise UserError(job.error if job is not None and job.error else f"The job {run_id} {ended}.")
    return result


def main() -> None:
    """Run a command; what the user can put right is one line, not a traceback."""
    try:
        app()
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None


if __name__ == "__main__":
    main()
