"""The table of stages: one function per kind of job. Worker and command line both call `runner`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers.utils.logging import disable_progress_bar

from prune_core.export.hub_upload import upload
from prune_core.model.load import inspect
from prune_core.pipeline.comparing import build_and_compare
from prune_core.pipeline.planning import answer_click, choose_layers, fit_replacements, look_at_text, map_drops, measure
from prune_core.pipeline.residents import Resident, Residents
from prune_core.pipeline.skill_maps import map_skills
from prune_core.pipeline.specs import PushResult, PushSpec
from prune_core.pipeline.writing import write_texts
from prune_core.schema.job import Result, Spec
from prune_core.schema.progress import Progress
from prune_core.store.catalogue import finished
from prune_core.store.store import Store
from prune_core.store.worker import Runner


@dataclass(frozen=True)
class Work:
    """A running job: its id, its store, the models in memory, and where it reports progress."""

    store: Store
    residents: Residents
    id: str
    progress: Progress

    def resident(self, spec: Any) -> Resident:
        """The model that `spec` names, loaded when needed."""
        return self.residents.get(spec.model, self.progress)


STAGES: dict[str, Callable[[Work, Any], Result]] = {
    "inspect": lambda work, spec: inspect(spec.model),
    "draw": lambda work, spec: look_at_text(spec, work.progress),
    "measure": lambda work, spec: measure(work.resident(spec), spec, work.progress),
    "preview": lambda work, spec: answer_click(work.store, work.id, work.resident(spec), spec, work.progress),
    "dropmap": lambda work, spec: map_drops(work.store, work.id, work.resident(spec), spec, work.progress),
    "skillmap": lambda work, spec: map_skills(work.store, work.id, work.resident(spec), spec, work.progress),
    "plan": lambda work, spec: choose_layers(work.store, work.resident(spec), spec, work.progress),
    "replace": lambda work, spec: fit_replacements(work.store, work.id, work.resident(spec), spec, work.progress),
    "text": lambda work, spec: write_texts(work.store, work.id, work.residents, spec, work.progress),
    "run": lambda work, spec: build_and_compare(work.store, work.id, work.resident(spec), spec, work.progress),
    "push": lambda work, spec: push(work, spec),
}
"""The function for each kind of job, by the `kind` of its spec."""


def push(work: Work, spec: PushSpec) -> PushResult:
    """Push a finished run's checkpoint to the Hub; until a run is finished its model card has no metrics."""
    _, pushed = finished(work.store, spec.run_id)
    checkpoint = work.store.folder(spec.run_id) / pushed.checkpoint
    return PushResult(upload(checkpoint, spec.repository, spec.private, work.progress))


def runner(store: Store) -> Runner:
    """The function that runs any job, keeping models in memory between jobs."""
    disable_progress_bar()  # our own progress says more, and this bar would write into it
    residents = Residents()

    def run(run_id: str, spec: Spec, progress: Progress) -> Result:
        return STAGES[spec.kind](Work(store, residents, run_id, progress), spec)

    return run
