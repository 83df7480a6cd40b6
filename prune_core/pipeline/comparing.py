"""Build the checkpoint and measure donor and pruned model in the same way."""

import platform
import shutil
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch

from prune_core import export
from prune_core.data import heldout_documents
from prune_core.evaluate.generate import continuations
from prune_core.evaluate.memory import memory
from prune_core.evaluate.perplexity import perplexity
from prune_core.evaluate.speed import speed
from prune_core.evaluate.tasks import run_tasks
from prune_core.fingerprint import fingerprint
from prune_core.model import LoadedModel, load
from prune_core.pipeline.planning import fitted_file
from prune_core.replacements.files import REPLACEMENT, load_weights
from prune_core.reports import Metric, Report
from prune_core.residents import Resident
from prune_core.specs import (
    Evaluation,
    RunResult,
    RunSpec,
    SpeedSettings,
)
from prune_core.store import Store
from prune_core.transform import mergekit
from prune_core.transform.edits import check_buildable
from prune_core.transform.surgery import build
from prune_core.types import Calibration, Plan, Progress

DONOR, PRUNED = "donor", "pruned"
CHECKPOINT = "checkpoint"


def build_and_compare(store: Store, run_id: str, resident: Resident, spec: RunSpec, progress: Progress) -> RunResult:
    """Build the checkpoint, load it back from disk as a stranger would, and measure donor and pruned model alike."""
    begun = time.monotonic()
    donor = resident.loaded
    folder = store.folder(run_id) / CHECKPOINT
    if not folder.exists():
        check_buildable(spec.plan)
        fitted = fitted_file(store, resident, spec, progress)
        if fitted is not None:
            shutil.copy(fitted, store.folder(run_id) / REPLACEMENT)
        progress.stage("building the checkpoint", 2)
        built = build(donor.model, spec.plan, "cpu", load_weights(fitted)).to(getattr(torch, donor.info.stored_dtype))
        progress.advance()
        export.export(built, donor.tokenizer, folder, spec, notes=_mergekit(spec, donor))
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
    result = RunResult(reports[DONOR], reports[PRUNED], CHECKPOINT, _versions(donor), time.monotonic() - begun)
    export.write_card(folder, spec, result)
    return result


def _mergekit(spec: RunSpec, donor: LoadedModel) -> dict[str, str]:
    """The same cut as a mergekit recipe, where mergekit can make it."""
    if not mergekit.is_expressible(spec.plan):
        return {}
    recipe = mergekit.mergekit_recipe(spec.plan, spec.model, donor.info.stored_dtype, donor.model.config)
    return {mergekit.FILE: recipe}


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
