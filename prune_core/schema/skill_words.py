"""What a map of skills says, in sentences. No torch."""

import numpy as np

from prune_core.schema.skill_map import CLEAR, Skill, SkillMap
from prune_core.schema.wording import named, ranges

HALF = 0.5
"""A skill needs a layer without which it loses this share of what the donor has above chance."""

NAMED = 5
"""At most this many skills are named in one sentence."""


def readings(skills: SkillMap) -> list[str]:
    """What the map says, in sentences: what every skill needs, what only some need, what costs nothing.

    A skill needs a block without which it clearly loses at least half of what the donor has above chance.
    """
    margin = skills.donor - np.array([skill.chance for skill in skills.skills])
    able = margin > CLEAR * skills.donor_stderr
    names = [skill_name(skill) for skill in skills.skills]
    needed = skills.clear & (-skills.change >= HALF * margin) & able  # [S, K]
    carries = np.all(needed[:, able], axis=1, keepdims=True) & able.any()  # [S, 1]
    said = [f"Needed for every skill: {_blocks(skills, carries[:, 0])}."] if carries.any() else []
    alike: dict[bytes, list[int]] = {}  # skills that need the same blocks, named together
    for k, column in enumerate((needed & ~carries).T):
        if column.any():
            alike.setdefault(column.tobytes(), []).append(k)
    said += [
        f"Needed for {_few([names[k] for k in group])}: {_blocks(skills, (needed & ~carries)[:, group[0]])}."
        for group in alike.values()
    ]
    worse = skills.mean_change < -CLEAR * skills.mean_change_stderr  # small losses may add up to a clear one
    harmless = ~(np.any(skills.clear & (skills.change < 0), axis=1) | worse)[:, np.newaxis]  # [S, 1]
    if harmless.any():
        what = _blocks(skills, harmless[:, 0])
        alone = "Dropped on its own, each of " if harmless.sum() > 1 else "Dropped on its own, "
        said.append(f"{alone}{what} costs no skill a loss detectable with {_items(skills)} items.")
    guessed = [name for name, can in zip(names, able, strict=True) if not can]
    if guessed:
        said.append(f"The donor itself does not clearly beat chance on {_few(guessed)}: little can be lost there.")
    return said


def _few(names: list[str]) -> str:
    """The names, or the first of many and how many more there are."""
    shown = names if len(names) <= NAMED else [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def skill_name(skill: Skill) -> str:
    """ "demo_arithmetic" -> "arithmetic"."""
    return skill.task.removeprefix("demo_").replace("_", " ")


def block_name(start: int, size: int) -> str:
    """ "layer 3", or "layers 3 to 5"."""
    return named(tuple(range(start, start + size)))


def _blocks(skills: SkillMap, rows: np.ndarray) -> str:
    """The blocks of `rows` (bool [S]) by their layers; several blocks of several layers by where they begin."""
    starts = tuple(int(start) for start in skills.starts[rows])
    if skills.size == 1:
        return named(starts)
    if len(starts) == 1:
        return block_name(starts[0], skills.size)
    return f"the blocks of {skills.size} that begin at layers {ranges(starts)}"


def _items(skills: SkillMap) -> str:
    fewest, most = (f(skill.items for skill in skills.skills) for f in (min, max))
    return f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
