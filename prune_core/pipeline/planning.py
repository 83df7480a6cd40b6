"""Before anything is built: measure, preview, fit replacements, map the damage, let a method choose."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from prune_core.cut.build import check_supported
from prune_core.cut.replacements.fit_plan import Curves, fit_plan
from prune_core.cut.replacements.fitted_file import REPLACEMENT, curve_arrays, load_curves, load_weights, save_fitted
from prune_core.data.calibration import Batch, calibration_batches, what_is_drawn
from prune_core.measure.drop_map import measure_drops
from prune_core.measure.similarity.one_pass import measure_all
from prune_core.methods import Measured
from prune_core.model.load import load_tokenizer
from prune_core.pipeline.residents import Resident
from prune_core.pipeline.specs import (
    DrawSpec,
    DropMapSpec,
    MeasureSpec,
    PlanResult,
    PlanSpec,
    PreviewSpec,
    ReplaceResult,
    ReplaceSpec,
    TextSpec,
)
from prune_core.schema.drawn import Drawn
from prune_core.schema.drop_map import DropMap
from prune_core.schema.fingerprint import text_identity
from prune_core.schema.inputs import Calibration
from prune_core.schema.measures import LayerStats
from prune_core.schema.plan import Plan, Replace
from prune_core.schema.progress import Progress
from prune_core.schema.reports import Preview
from prune_core.schema.run import RunSpec
from prune_core.search.cut_costs import CutCosts
from prune_core.search.evidence import Search, regrouped, search_batch
from prune_core.store import jobs
from prune_core.store.files import read_json, write_text
from prune_core.store.store import Store

BATCH_TOKENS = 4096  # of one forward pass; results do not depend on it
PLANS = "plans.json"
"""Beside the maps of a model and text: every plan that a search measured there."""
KEEP_EVERY_S = 5.0


def look_at_text(spec: DrawSpec, progress: Progress) -> Drawn:
    """How much the calibration text gives. Only the tokenizer is loaded, so it is known long before measuring ends."""
    tokenizer = load_tokenizer(spec.model, progress)
    progress.stage("reading the text", 1)
    return what_is_drawn(spec.calibration, tokenizer)


def measure(resident: Resident, spec: MeasureSpec, progress: Progress) -> LayerStats:
    """All similarities in one pass over the calibration text, with massive tokens as they are written."""
    batches = calibrated(resident, spec.calibration)
    stats = measure_all(resident.loaded, batches, spec.cka_tokens, progress, spec.extras)
    decode = resident.loaded.tokenizer.decode
    written = tuple(replace(token, text=str(decode([token.token_id]))) for token in stats.massive_tokens)
    progress.stage("getting ready for the first cut", 1)
    cut_costs(resident, spec.calibration).prepare(progress)  # a person clicks next
    return replace(stats, massive_tokens=written)


def preview_plan(
    store: Store,
    resident: Resident,
    spec: PreviewSpec,
    progress: Progress,
    watch: Callable[[Preview], None] = lambda seen: None,
) -> Preview:
    """The planned model's loss on the loaded donor; `watch` sees it refined. What the donor computes below a cut is
    kept with the model.

    Replacements that have not been fitted yet are fitted first.
    """
    weights = load_weights(fitted_file(store, resident, spec, progress))
    return cut_costs(resident, spec.calibration).preview(spec.plan, weights, progress, watch)


def answer_click(store: Store, run_id: str, resident: Resident, spec: PreviewSpec, progress: Progress) -> Preview:
    """A preview whose estimates so far are kept for whoever watches."""

    def show(seen: Preview) -> None:
        if seen.is_estimate:
            store.save_partial(run_id, seen)

    return preview_plan(store, resident, spec, progress, show)


def cut_costs(resident: Resident, calibration: Calibration) -> CutCosts:
    """What the donor computed on the calibration text, kept with the model."""
    batches = calibrated(resident, calibration)
    return resident.latest("cut costs", _text_key(calibration), lambda: CutCosts(resident.loaded, batches))


def map_drops(store: Store, run_id: str, resident: Resident, spec: DropMapSpec, progress: Progress) -> DropMap:
    """What dropping each block costs. The map so far is saved as it grows; a stopped job resumes from it."""
    model = resident.loaded.model
    check_supported(model.config)
    so_far = store.partial(run_id)
    start = so_far if isinstance(so_far, DropMap) else None
    batches = calibrated(resident, spec.calibration)
    return measure_drops(model, batches, progress, start, partial(store.save_partial, run_id))


def choose_layers(store: Store, resident: Resident, spec: PlanSpec, progress: Progress) -> PlanResult:
    """The plan that a method makes from what was measured, or measures itself; nothing is measured twice."""
    begun = time.monotonic()
    loaded = resident.loaded
    if spec.method.needs == "search":
        calibration = replace(spec.calibration, samples=spec.method.texts or spec.calibration.samples)
        size = search_batch(calibration.seq_len, loaded.info.device)
        batches = regrouped(calibration_batches(calibration, loaded.tokenizer, size))
        with _known_plans(store, replace(spec, calibration=calibration)) as (known, keep):
            evidence = Search(loaded, batches, progress, known, keep)
            plan = spec.method.plan(evidence, spec.budget)
    else:
        evidence = Measured(loaded.info.num_layers, _maps(store, resident, spec, progress))
        plan = spec.method.plan(evidence, spec.budget)
    check_supported(loaded.model.config, plan)
    return PlanResult(plan, tuple(evidence.steps), evidence.measured, evidence.reused, time.monotonic() - begun)


@contextmanager
def _known_plans(store: Store, spec: PlanSpec) -> Iterator[tuple[dict[str, float], Callable[[], None]]]:
    """What searches measured on this model and text so far, and the function that saves it: called often, it writes at
    most every few seconds, and once more at the end, however that comes about."""
    file = store.folder(jobs.job_id(MeasureSpec(spec.model, spec.calibration))) / PLANS
    known: dict[str, float] = read_json(file, dict[str, float]) or {}
    written, size = time.monotonic(), len(known)

    def keep() -> None:
        nonlocal written
        if time.monotonic() - written > KEEP_EVERY_S:
            write_text(file, json.dumps(known))
            written = time.monotonic()

    try:
        yield known, keep
    finally:
        if len(known) > size:
            write_text(file, json.dumps(known))


def _maps(store: Store, resident: Resident, spec: PlanSpec, progress: Progress) -> LayerStats | None:
    """The similarity maps, if the method needs them: stored ones, or else measured now."""
    if spec.method.needs == "nothing":
        return None
    measured = MeasureSpec(spec.model, spec.calibration)
    kept = jobs.result(store, measured)
    if isinstance(kept, LayerStats):
        return kept
    return resident.remember(("maps", _text_key(spec.calibration)), lambda: measure(resident, measured, progress))


def fit_replacements(
    store: Store, run_id: str, resident: Resident, spec: ReplaceSpec, progress: Progress
) -> ReplaceResult:
    """Fit what replaces blocks, then preview the plan with it. The curves so far are saved as they grow."""
    begun = time.monotonic()

    def show(curves: Curves) -> None:
        store.save_partial(run_id, ReplaceResult(spec.plan, curve_arrays(curves), None, time.monotonic() - begun))

    show({})  # discards what a stopped attempt left
    file = fitted_file(store, resident, spec, progress, show)
    seen = preview_plan(store, resident, PreviewSpec(spec.model, spec.calibration, spec.plan), progress)
    return ReplaceResult(spec.plan, load_curves(file), seen, time.monotonic() - begun)


def fitted_file(
    store: Store,
    resident: Resident,
    spec: PreviewSpec | ReplaceSpec | TextSpec | RunSpec,
    progress: Progress,
    watch: Callable[[Curves], None] = lambda curves: None,
) -> Path | None:
    """Where the weights of the plan's Replace edits are, fitted now if need be; None if it has no such edits.

    They do not depend on the plan's other edits, so they are stored by the replacements alone.
    """
    replacements = tuple(edit for edit in spec.plan.edits if isinstance(edit, Replace))
    if not replacements:
        return None
    alone = ReplaceSpec(spec.model, spec.calibration, Plan(spec.plan.num_layers, replacements, ""))
    file = store.folder(jobs.job_id(alone)) / REPLACEMENT
    if not file.exists():
        check_supported(resident.loaded.model.config)
        save_fitted(
            file, *fit_plan(resident.loaded, calibrated(resident, spec.calibration), alone.plan, progress, watch)
        )
    return file


def calibrated(resident: Resident, calibration: Calibration) -> list[Batch]:
    """The calibration text as batches, kept with the model."""
    size = max(1, BATCH_TOKENS // calibration.seq_len)
    tokenizer = resident.loaded.tokenizer
    key = ("batches", _text_key(calibration))
    return resident.remember(key, lambda: calibration_batches(calibration, tokenizer, size))


def _text_key(calibration: Calibration) -> tuple[Calibration, str]:
    """A text by its settings and its content: a file that was edited is another text."""
    return calibration, json.dumps(text_identity(calibration))
