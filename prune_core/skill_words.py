"""What a map of skills says, in sentences. No torch."""

import numpy as np

from prune_core.skills import CLEAR, Skill, SkillMap
from prune_core.wording import named

HALF = 0.5
"""Losing this share of what the donor has above chance is called depending on a layer."""


def readings(skills: SkillMap) -> list[str]:
    """What the map says, in sentences: who carries everything, what each skill depends on, what costs nothing.

    A skill depends on a block without which it clearly loses at least half of what the donor has above chance.
    """
    margin = skills.donor - np.array([skill.chance for skill in skills.skills])
    able = margin > CLEAR * skills.donor_stderr
    names = [skill_name(skill) for skill in skills.skills]
    needed = skills.clear & (-skills.change >= HALF * margin) & able  # [S, K]
    said = []
    carries = needed[:, able].all(1) & able.any()
    if carries.any():
        said.append(f"Every skill depends on {_blocks(skills, carries)}.")
    for name, column in zip(names, (needed & ~carries[:, None]).T, strict=True):
        if column.any():
            said.append(f"{name.capitalize()} depends on {_blocks(skills, column)}.")
    harmless = ~(skills.clear & (skills.change < 0)).any(1)
    if harmless.any():
        verb = "costs" if harmless.sum() == 1 else "cost"
        said.append(f"Dropping {_blocks(skills, harmless)} {verb} no skill anything that {_items(skills)} items show.")
    guessed = [name for name, can in zip(names, able, strict=True) if not can]
    if guessed:
        said.append(f"The donor itself only guesses at {' and '.join(guessed)}: nothing can be lost there.")
    return said


def skill_name(skill: Skill) -> str:
    """ "demo_arithmetic" -> "arithmetic"."""
    return skill.task.removeprefix("demo_").replace("_", " ")


def _blocks(skills: SkillMap, rows: np.ndarray) -> str:
    """The blocks of `rows` (bool [S]) as layers, each block that begins there where blocks have several layers."""
    starts = tuple(int(start) for start in skills.starts[rows])
    if skills.size == 1:
        return named(starts)
    return " or ".join(named(tuple(range(start, start + skills.size))) for start in starts)


def _items(skills: SkillMap) -> str:
    fewest, most = (f(skill.items for skill in skills.skills) for f in (min, max))
    return f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
