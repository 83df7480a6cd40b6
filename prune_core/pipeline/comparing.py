"""Build the checkpoint, and have donor and pruned model measured in the same way (measuring.py)."""

import platform
import shutil
import time
from dataclasses import replace
from importlib.metadata import version

import torch

from prune_core.cut import mergekit
from prune_core.cut.build import build
from prune_core.cut.edits import check_buildable
from prune_core.cut.replacements.fitted_file import REPLACEMENT, load_weights
from prune_core.export.folder import export, write_card
from prune_core.model.load import LoadedModel, load
from prune_core.pipeline.measuring import compare, prepare
from prune_core.pipeline.planning import fitted_file
from prune_core.pipeline.residents import Resident
from prune_core.schema.errors import UserError
from prune_core.schema.fingerprint import fingerprint
from prune_core.schema.progress import Progress
from prune_core.schema.run import RunResult, RunSpec
from prune_core.store.files import whole
from prune_core.store.store import ORIGIN, Store

CHECKPOINT = "checkpoint"


def build_and_compare(store: Store, run_id: str, resident: Resident, spec: RunSpec, progress: Progress) -> RunResult:
    """Build the checkpoint, load it back from disk as any user would, and measure donor and pruned model alike."""
    begun = time.monotonic()
    donor = resident.loaded
    _require_unchanged(store, run_id, spec)
    asked = prepare(spec, donor, progress)
    folder, took = store.folder(run_id) / CHECKPOINT, None
    if not folder.exists():
        check_buildable(spec.plan)
        fitted = fitted_file(store, resident, spec, progress)
        if fitted is not None:
            with whole(store.folder(run_id) / REPLACEMENT) as unfinished:
                shutil.copy(fitted, unfinished)
        progress.stage("building the checkpoint", 2)
        started = time.monotonic()
        built = build(donor.model, spec.plan, "cpu", load_weights(fitted)).to(getattr(torch, donor.info.stored_dtype))
        progress.advance()
        export(built, donor.tokenizer, folder, spec, notes=_mergekit(spec, donor))
        del built
        took = time.monotonic() - started
    pruned_ref = replace(spec.model, path=str(folder), revision=None, dtype=donor.info.dtype, device=donor.info.device)
    pruned = load(pruned_ref, progress)

    before, after, agreed = compare(store, run_id, spec, asked, donor, pruned, folder, progress)
    result = RunResult(before, after, CHECKPOINT, _versions(donor), time.monotonic() - begun, agreed, took)
    write_card(folder, spec, result)
    return result


def _require_unchanged(store: Store, run_id: str, spec: RunSpec) -> None:
    """UserError if an earlier attempt started from another model, text or task: its finished parts belong to that."""
    now = fingerprint(spec)
    if store.part(run_id, ORIGIN, str, lambda: now) != now:
        raise UserError(
            "The model, a text, a task or LayerScope has changed since this run started, so its finished parts would "
            "not match the rest: start a new run."
        )


def _mergekit(spec: RunSpec, donor: LoadedModel) -> dict[str, str]:
    """The same cut as a mergekit recipe, if mergekit can make it."""
    if not mergekit.is_expressible(spec.plan):
        return {}
    recipe = mergekit.mergekit_recipe(spec.plan, spec.model, donor.info.stored_dtype, donor.model.config)
    return {mergekit.FILE: recipe}


def _versions(donor: LoadedModel) -> dict[str, str]:
    packages = ("layerscope", "torch", "transformers", "lm_eval", "datasets", "safetensors")
    on_gpu = donor.info.device.startswith("cuda")
    hardware = torch.cuda.get_device_name() if on_gpu else f"{platform.machine()}, threads: {torch.get_num_threads()}"
    return {name: version(name) for name in packages} | {"python": platform.python_version(), "hardware": hardware}
