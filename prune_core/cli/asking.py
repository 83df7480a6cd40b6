"""Questions to the pipeline, answered here and now with progress shown, or from what is kept."""

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
    """The previewed change of loss, nats per token."""
    seen = answer(Preview, PreviewSpec(ref, calibration, drop_plan(num_layers, layers)))
    return seen.loss - seen.donor_loss


@lru_cache(maxsize=1)
def make_runner(store: Store) -> worker.Runner:
    """The pipeline on `store`; asked again, the same with the models that it has loaded."""
    from prune_core.pipeline.runner import runner  # torch and transformers take seconds: imported once there is work

    return runner(store)


def answer(cls: type[T], spec: Spec, run_id: str | None = None, anew: bool = False) -> T:
    """The result of `spec`: the kept one, or made here and now with progress shown, as always where `anew`."""
    store = open_store()
    run_id = run_id or jobs.job_id(spec)
    job = store.job(run_id)
    if job is None or job.state != "done" or anew:
        (store.folder(run_id) / "cancel").unlink(missing_ok=True)  # of the last time
        store.save_spec(run_id, spec)
        with progress_shown() as watch:
            job = worker.execute(store, run_id, make_runner(store), watch)
    result = store.result(run_id)
    if job is None or job.state != "done" or not isinstance(result, cls):
        ended = "is being run by another process" if job is not None and job.state == "running" else "was cancelled"
        raise UserError(job.error if job is not None and job.error else f"The job {run_id} {ended}.")
    return result
