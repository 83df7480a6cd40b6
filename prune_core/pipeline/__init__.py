"""The stages in order, one function a kind of job. Worker and command line both call `runner`.

planning.py: everything before a checkpoint is built; comparing.py: the checkpoint; measuring.py: its
figures and the donor's; writing.py: text, side by side; skill_maps.py: each layer dropped, against each skill.
"""

from transformers.utils.logging import disable_progress_bar

from prune_core.catalogue import finished
from prune_core.hub_upload import upload
from prune_core.model import inspect
from prune_core.pipeline.comparing import build_and_compare
from prune_core.pipeline.planning import choose_layers, fit_replacements, map_drops, measure, preview_plan
from prune_core.pipeline.skill_maps import map_skills
from prune_core.pipeline.writing import write_texts
from prune_core.residents import Residents
from prune_core.specs import (
    DropMapSpec,
    InspectSpec,
    MeasureSpec,
    PlanSpec,
    PreviewSpec,
    PushResult,
    PushSpec,
    ReplaceSpec,
    Result,
    SkillMapSpec,
    Spec,
    TextSpec,
)
from prune_core.store import Store
from prune_core.types import Progress
from prune_core.worker import Runner


def runner(store: Store) -> Runner:
    """The function that does any job, with the models that it keeps in memory between jobs."""
    disable_progress_bar()  # our own progress says more, and this one would write into the middle of it
    residents = Residents()

    def run(run_id: str, spec: Spec, progress: Progress) -> Result:
        if isinstance(spec, InspectSpec):
            return inspect(spec.model)
        if isinstance(spec, PushSpec):
            _, pushed = finished(store, spec.run_id)  # before, its model card has no figures
            checkpoint = store.folder(spec.run_id) / pushed.checkpoint
            return PushResult(upload(checkpoint, spec.repository, spec.private, progress))
        resident = residents.get(spec.model, progress)
        if isinstance(spec, MeasureSpec):
            return measure(resident, spec, progress)
        if isinstance(spec, PreviewSpec):
            return preview_plan(store, resident, spec, progress)
        if isinstance(spec, DropMapSpec):
            return map_drops(store, run_id, resident, spec, progress)
        if isinstance(spec, SkillMapSpec):
            return map_skills(store, run_id, resident, spec, progress)
        if isinstance(spec, TextSpec):
            return write_texts(store, run_id, residents, spec, progress)
        if isinstance(spec, PlanSpec):
            return choose_layers(store, resident, spec, progress)
        if isinstance(spec, ReplaceSpec):
            return fit_replacements(store, run_id, resident, spec, progress)
        return build_and_compare(store, run_id, resident, spec, progress)

    return run
