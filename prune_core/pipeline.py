"""The stages in order, one function a kind of job. Worker and command line both call `runner`."""

import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from prune_core import export, jobs
from prune_core.damage import DropMap
from prune_core.data import Batch, calibration_batches, heldout_documents
from prune_core.dropmap import measure_drops
from prune_core.evaluate.generate import continuations
from prune_core.evaluate.memory import memory
from prune_core.evaluate.perplexity import perplexity
from prune_core.evaluate.speed import speed
from prune_core.evaluate.tasks import run_tasks
from prune_core.evidence import Search, regrouped, search_batch
from prune_core.fingerprint import fingerprint
from prune_core.methods import Measured
from prune_core.model import LoadedModel, inspect, load
from prune_core.replacements import Curves, fit_plan
from prune_core.replacements.files import REPLACEMENT, curve_arrays, load_curves, load_weights, save_fitted
from prune_core.residents import Resident, Residents
from prune_core.similarity import measure_all
from prune_core.specs import (
    DropMapSpec,
    Evaluation,
    InspectSpec,
    MeasureSpec,
    PlanResult,
    PlanSpec,
    PreviewSpec,
    ReplaceResult,
    ReplaceSpec,
    Result,
    RunResult,
    RunSpec,
    Spec,
    SpeedSettings,
)
from prune_core.store import Store
from prune_core.transform.edits import check_buildable
from prune_core.transform.preview import preview, sequence_losses
from prune_core.transform.surgery import build, check_supported
from prune_core.types import (
    Calibration,
    LayerStats,
    Metric,
    Plan,
    Preview,
    Progress,
    Replace,
    Report,
)
from prune_core.worker import Runner

BATCH_TOKENS = 4096  # of one forward pass; results do not depend on it
DONOR, PRUNED = "donor", "pruned"


def runner(store: Store) -> Runner:
    """The function that does any job, with the models that it keeps in memory between jobs."""
    disable_progress_bar()  # our own progress says more, and this one would write into the middle of it
    residents = Residents()

    def run(run_id: str, spec: Spec, progress: Progress) -> Result:
        if isinstance(spec, InspectSpec):
            return inspect(spec.model)
        resident = residents.get(spec.model, progress)
        if isinstance(spec, MeasureSpec):
            return measure(resident, spec, progress)
        if isinstance(spec, PreviewSpec):
            return preview_plan(store, resident, spec, progress)
        if isinstance(spec, DropMapSpec):
            return map_drops(store, run_id, resident, spec, progress)
        if isinstance(spec, PlanSpec):
            return choose_layers(store, resident, spec, progress)
        if isinstance(spec, ReplaceSpec):
            return fit_replacements(store, run_id, resident, spec, progress)
        return build_and_compare(store, run_id, resident, spec, progress)

    return run


def measure(resident: Resident, spec: MeasureSpec, progress: Progress) -> LayerStats:
    """All similarities in one pass over the calibration text."""
    batches = _batches(resident, spec.calibration)
    return measure_all(resident.loaded, batches, spec.cka_tokens, progress, spec.extras)


def preview_plan(store: Store, resident: Resident, spec: PreviewSpec, progress: Progress) -> Preview:
    """The planned model's loss by hooks; the donor's own losses are worked out once a model and text.

    Replacements that were not fitted yet are fitted first.
    """
    batches = _batches(resident, spec.calibration)
    loaded = resident.loaded
    weights = load_weights(fitted_file(store, resident, spec, progress))
    donor_losses = resident.remember(
        ("donor losses", spec.calibration), lambda: sequence_losses(loaded.model, batches, progress)
    )
    return preview(loaded, batches, spec.plan, donor_losses, progress, weights)


def map_drops(store: Store, run_id: str, resident: Resident, spec: DropMapSpec, progress: Progress) -> DropMap:
    """What dropping each block costs. The map so far is kept as it grows; a job that was stopped goes on from it."""
    model = resident.loaded.model
    check_supported(model.config)
    so_far = store.partial(run_id)
    start = so_far if isinstance(so_far, DropMap) else None
    batches = _batches(resident, spec.calibration)
    return measure_drops(model, batches, progress, start, partial(store.save_partial, run_id))


def choose_layers(store: Store, resident: Resident, spec: PlanSpec, progress: Progress) -> PlanResult:
    """The plan that a method makes of what was measured, or measures for itself; nothing is measured twice."""
    begun = time.monotonic()
    loaded = resident.loaded
    if spec.method.needs == "search":
        calibration = replace(spec.calibration, samples=spec.method.texts or spec.calibration.samples)
        size = search_batch(calibration.seq_len, loaded.info.device)
        known = resident.remember(("plans", calibration), dict)
        batches = regrouped(calibration_batches(calibration, loaded.tokenizer, size))
        evidence = Search(loaded, batches, progress, known)
    else:
        evidence = Measured(loaded.info.num_layers, _maps(store, resident, spec, progress))
    plan = spec.method.plan(evidence, spec.budget)
    check_supported(loaded.model.config, plan)
    return PlanResult(plan, tuple(evidence.steps), evidence.measured, evidence.reused, time.monotonic() - begun)


def _maps(store: Store, resident: Resident, spec: PlanSpec, progress: Progress) -> LayerStats | None:
    """The similarity maps, where the method needs them: kept ones, else measured now."""
    if spec.method.needs == "nothing":
        return None
    measured = MeasureSpec(spec.model, spec.calibration)
    kept = jobs.result(store, measured)
    if isinstance(kept, LayerStats):
        return kept
    return resident.remember(("maps", spec.calibration), lambda: measure(resident, measured, progress))


def fit_replacements(
    store: Store, run_id: str, resident: Resident, spec: ReplaceSpec, progress: Progress
) -> ReplaceResult:
    """Fit what replaces blocks, then preview the plan with it. The curves so far are kept as they grow."""
    begun = time.monotonic()

    def show(curves: Curves) -> None:
        store.save_partial(run_id, ReplaceResult(spec.plan, curve_arrays(curves), None, time.monotonic() - begun))

    file = fitted_file(store, resident, spec, progress, show)
    seen = preview_plan(store, resident, PreviewSpec(spec.model, spec.calibration, spec.plan), progress)
    return ReplaceResult(spec.plan, load_curves(file), seen, time.monotonic() - begun)


def fitted_file(
    store: Store,
    resident: Resident,
    spec: PreviewSpec | ReplaceSpec | RunSpec,
    progress: Progress,
    watch: Callable[[Curves], None] = lambda curves: None,
) -> Path | None:
    """Where the weights of the plan's Replace edits are, fitted now where they are not; None where it has none.

    They do not depend on the plan's other edits, so they are kept under the replacements alone.
    """
    replacements = tuple(edit for edit in spec.plan.edits if isinstance(edit, Replace))
    if not replacements:
        return None
    alone = ReplaceSpec(spec.model, spec.calibration, Plan(spec.plan.num_layers, replacements, ""))
    file = store.folder(jobs.job_id(alone)) / REPLACEMENT
    if not file.exists():
        check_supported(resident.loaded.model.config)
        save_fitted(file, *fit_plan(resident.loaded, _batches(resident, spec.calibration), alone.plan, progress, watch))
    return file


def build_and_compare(store: Store, run_id: str, resident: Resident, spec: RunSpec, progress: Progress) -> RunResult:
    """Build the checkpoint, load it back from disk as a stranger would, and measure donor and pruned model alike."""
    begun = time.monotonic()
    donor = resident.loaded
    folder = store.folder(run_id) / "checkpoint"
    if not folder.exists():
        check_buildable(spec.plan)
        fitted = fitted_file(store, resident, spec, progress)
        if fitted is not None:
            shutil.copy(fitted, store.folder(run_id) / REPLACEMENT)
        progress.stage("building the checkpoint", 2)
        built = build(donor.model, spec.plan, "cpu", load_weights(fitted)).to(getattr(torch, donor.info.stored_dtype))
        progress.advance()
        export.export(built, donor.tokenizer, folder, spec)
        del built
    pruned_ref = replace(spec.model, path=str(folder), revision=None, dtype=donor.info.dtype, device=donor.info.device)
    pruned = load(pruned_ref, progress)

    documents = heldout_documents(spec.evaluation.heldout)
    quality = {
        DONOR: store.part(_donor_id(spec), DONOR, Report, lambda: _quality(DONOR, donor, spec, documents, progress)),
        PRUNED: store.part(run_id, PRUNED, Report, lambda: _quality(PRUNED, pruned, spec, documents, progress)),
    }
    models = {DONOR: donor.model, PRUNED: pruned.model}
    cost = store.part(
        run_id, "cost", dict[str, tuple[Metric, ...]], lambda: _cost(models, donor, folder, spec.evaluation, progress)
    )
    reports = {label: replace(quality[label], metrics=quality[label].metrics + cost[label]) for label in quality}
    result = RunResult(reports[DONOR], reports[PRUNED], folder.name, _versions(donor), time.monotonic() - begun)
    export.write_card(folder, spec, result)
    return result


def _quality(label: str, loaded: LoadedModel, spec: RunSpec, documents: list[str], progress: Progress) -> Report:
    """What the model can do: perplexity, tasks, text."""
    evaluation, told = spec.evaluation, Labelled(progress, label)
    metrics = perplexity(loaded.model, loaded.tokenizer, evaluation.heldout, documents, told)
    metrics += run_tasks(loaded.model, loaded.tokenizer, evaluation, told)
    texts = continuations(
        loaded.model,
        loaded.tokenizer,
        evaluation.prompts,
        evaluation.new_tokens,
        told,
        evaluation.temperature,
        evaluation.text_seed,
    )
    return Report(label, loaded.info.num_layers, metrics, texts)


def _cost(
    models: dict, donor: LoadedModel, checkpoint: Path, evaluation: Evaluation, progress: Progress
) -> dict[str, tuple[Metric, ...]]:
    """What the models cost: speed, measured in turns, and memory."""
    speeds = speed(models, evaluation.speed, progress)
    folders = {DONOR: donor.folder, PRUNED: checkpoint}
    return {label: speeds[label] + memory(model, folders[label]) for label, model in models.items()}


@dataclass(frozen=True)
class Labelled:
    """A `Progress` that says in each stage which model it is about."""

    progress: Progress
    label: str

    def stage(self, name: str, total: int, unit: str = "steps") -> None:
        self.progress.stage(f"{self.label} model: {name}", total, unit)

    def advance(self, done: int = 1) -> None:
        self.progress.advance(done)


def _batches(resident: Resident, calibration: Calibration) -> list[Batch]:
    size = max(1, BATCH_TOKENS // calibration.seq_len)
    tokenizer = resident.loaded.tokenizer
    return resident.remember(("batches", calibration), lambda: calibration_batches(calibration, tokenizer, size))


def _donor_id(spec: RunSpec) -> str:
    """Where the donor's own figures are kept: they do not depend on the cut, nor on how speed is measured."""
    uncut = replace(
        spec,
        plan=Plan(spec.plan.num_layers),
        calibration=Calibration(),
        evaluation=replace(spec.evaluation, speed=SpeedSettings()),
        name="",
    )
    return f"donor-{fingerprint(uncut)}"


def _versions(donor: LoadedModel) -> dict[str, str]:
    packages = ("layerscope", "torch", "transformers", "lm_eval", "datasets", "safetensors")
    on_gpu = donor.info.device.startswith("cuda")
    hardware = torch.cuda.get_device_name() if on_gpu else f"{platform.machine()}, {torch.get_num_threads()} threads"
    return {name: version(name) for name in packages} | {"python": platform.python_version(), "hardware": hardware}
