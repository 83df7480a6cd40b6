"""Requests to the pipeline, run here and now with a progress line, or answered from stored results."""

from functools import lru_cache
from typing import TypeVar

from prune_core.cli.progress import progress_shown
from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import InspectSpec, PreviewSpec
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, Dtype, ModelInfo, ModelRef
from prune_core.schema.job import Result, Spec
from prune_core.schema.plan import drop_plan
from prune_core.schema.reports import Preview
from prune_core.store import jobs, worker
from prune_core.store.store import Store

T = TypeVar("T", bound=Result)


def model_ref(model: str, device: str, dtype: Dtype) -> ModelRef:
    return ModelRef(model, device=device, dtype=dtype)


def depth(ref: ModelRef) -> int:
    return answer(ModelInfo, InspectSpec(ref)).num_layers


def delta(ref: ModelRef, calibration: Calibration, num_layers: int, layers: tuple[int, ...]) -> float:
    """The previewed change in loss, nats per token."""
    seen = answer(Preview, PreviewSpec(ref, calibration, drop_plan(num_layers, layers)))
    return seen.loss - seen.donor_loss


@lru_cache(maxsize=1)
def make_runner(store: Store) -> worker.Runner:
    """The pipeline on `store`; later calls return the same one, with its loaded models."""
    from prune_core.pipeline.runner import runner  # torch and transformers take seconds: imported only for real work

    return runner(store)


def answer(cls: type[T], spec: Spec, run_id: str | None = None, anew: bool = False) -> T:
    """The result of `spec`: the stored one, or computed here and now with progress shown (always if `anew`)."""
    store = open_store()
    run_id = run_id or jobs.job_id(spec)
    with progress_shown() as watch:
        if jobs.take(store, spec, run_id, again=anew):
            job = worker.execute(store, run_id, make_runner(store), watch)
        else:  # it is done, or another process is at it: its answer is as good
            job = jobs.follow(store, run_id, watch)
    result = store.result(run_id)
    if job is None or job.state != "done" or not isinstance(result, cls):
        raise UserError(job.error if job is not None and job.error else f"The job {run_id} was cancelled.")
    return result
