"""Runs that were never run, for tests of what lists, compares and reports them."""

from prune_core.reports import Agreement, Continuation, Metric, Report, Retention
from prune_core.specs import Evaluation, Job, RunResult, RunSpec
from prune_core.store import Store
from prune_core.types import Calibration, ModelRef, drop_plan

LAYERS = 16


def run_spec(number: int) -> RunSpec:
    """Drops two layers that depend on `number`."""
    first = number % (LAYERS - 1)
    return RunSpec(ModelRef(), Calibration(), drop_plan(LAYERS, (first, first + 1), "sleb"), Evaluation())


def result(scale: float = 1.0) -> RunResult:
    """Two reports with the kinds of figures that runs have; `scale` times the pruned model's perplexity and speed."""
    before = Report("donor", LAYERS, _metrics(2.5, 0.03, 0.8, 100.0, 3_000_000), (Continuation("Once", " upon"),))
    after = _metrics(3.01 * scale, 0.04, 0.7, 150.0 * scale, 2_400_000)
    pruned = Report("pruned", LAYERS - 2, after, (Continuation("Once", " more"),))
    kl = Metric("KL from donor", "text", 0.25 * scale, "nats/token", False, 0.01, note="context 256, stride 128")
    kept = Retention("facts", "acc", 240, 0.7, 0.6, -0.15, -0.05, 30, 6, 0.001)
    return RunResult(before, pruned, "checkpoint", {"torch": "2"}, 12.0, Agreement((kl,), (kept,)))


def keep_run(store: Store, number: int, spec: RunSpec | None = None, measured: RunResult | None = None) -> str:
    """Store a finished run, made `number` seconds after the new year; its id."""
    seconds = f"{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}"
    run_id = f"run-20260101-{seconds}-{number:04x}"
    store.save_spec(run_id, spec or run_spec(number))
    store.save_result(run_id, measured or result())
    store.save_job(Job(run_id, "run", "done"))
    return run_id


def _metrics(perplexity: float, error: float, accuracy: float, speed: float, parameters: int) -> tuple[Metric, ...]:
    scores = [
        ("facts", accuracy - 0.1, 0.03, "0-shot"),
        ("order", accuracy + 0.1, None, "0-shot"),
        ("skills", accuracy, 0.02, "mean of 2 tasks, 0-shot"),
    ]
    return (
        Metric("perplexity", "text", perplexity, "", False, error, samples=3000, note="context 256, stride 128"),
        *(
            Metric("acc", task, value, "fraction", True, spread, 0.25, 240, note)
            for task, value, spread, note in scores
        ),
        Metric("decode", "batch 1", speed, "tokens/s", True, 2.0, note="median of 7 rounds"),
        Metric("parameters", "", float(parameters), "", False, note="tied weights once"),
        Metric("checkpoint", "", 2.0 * parameters, "bytes", False, note="on disk"),
    )
