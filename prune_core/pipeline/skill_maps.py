"""What dropping each layer, or block of layers, on its own costs each skill."""

import time
from dataclasses import replace

import numpy as np

from prune_core.cut.build import check_supported
from prune_core.cut.preview import planned
from prune_core.evaluate.choices import Choices, choices
from prune_core.pipeline.residents import Resident
from prune_core.pipeline.specs import SkillMapSpec
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.plan import Block, drop_plan
from prune_core.schema.progress import Progress
from prune_core.schema.skill_map import SkillMap
from prune_core.store.store import Store


def map_skills(store: Store, run_id: str, resident: Resident, spec: SkillMapSpec, progress: Progress) -> SkillMap:
    """The map, one block at a time. The map so far is saved as it grows; a stopped job resumes from it."""
    loaded, layers = resident.loaded, resident.loaded.info.num_layers
    if not 1 <= spec.size < layers:
        raise UserError(f"A block of {spec.size} of {layers} layers cannot be dropped: choose 1 to {layers - 1}.")
    check_supported(loaded.model.config)
    evaluation = Evaluation(tasks=spec.tasks, task_folder=spec.task_folder, task_limit=spec.limit, fewshot=spec.fewshot)
    items = choices(loaded.model, loaded.tokenizer, evaluation, progress)
    so_far = store.partial(run_id)
    skills = so_far if isinstance(so_far, SkillMap) else None
    measured = set() if skills is None else set(skills.starts.tolist())
    left = [start for start in range(layers - spec.size + 1) if start not in measured]
    passes = len(left) + (skills is None)
    what = "dropping each layer" if spec.size == 1 else f"dropping each block of {spec.size} layers"
    progress.stage(what, passes * items.answers, "answers")
    skills = skills or _donor(items, layers, spec.size)
    for start in left:
        begun = time.monotonic()
        with planned(loaded.model, drop_plan(layers, Block(start, start + spec.size).layers)):
            row = np.concatenate(list(items.right().values()))
        skills = replace(
            skills,
            starts=np.append(skills.starts, start),
            right=np.vstack([skills.right, row]),
            seconds=skills.seconds + time.monotonic() - begun,
        )
        store.save_partial(run_id, skills)
    return skills


def _donor(items: Choices, layers: int, size: int) -> SkillMap:
    """The map before any block is dropped."""
    begun, right = time.monotonic(), items.right()
    donor = np.concatenate(list(right.values()))
    none, no_rows = np.zeros(0, dtype=np.int64), np.zeros((0, len(donor)))
    planned_blocks = layers - size + 1
    seconds = time.monotonic() - begun
    return SkillMap(layers, size, items.skills(right), none, no_rows, donor, planned_blocks, items.note(), seconds)
