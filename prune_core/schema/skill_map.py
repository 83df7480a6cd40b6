"""Where it hurts: what each skill loses when a layer, or a block of layers, is dropped. No torch."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from prune_core.schema.plan import Block

CLEAR = 2.0
"""A change of more than this many standard errors counts as more than chance."""


@dataclass(frozen=True)
class Skill:
    """One task under one metric of lm-eval ("acc", "acc_norm"), on `items` items. `chance` is what guessing scores."""

    task: str
    metric: str
    items: int
    chance: float


@dataclass(frozen=True)
class SkillMap:
    """Right (1) or wrong (0), item by item, without each block of `size` layers; `planned` blocks in all.

    The N columns are the items of all K skills, one skill after the other. `starts`: int64 [S], the first layer of
    each block measured so far; `right`: float64 [S, N]; `donor_right`: float64 [N]. What follows is in fractions;
    errors are standard errors over items, NaN for a single item.
    """

    num_layers: int
    size: int
    skills: tuple[Skill, ...]
    starts: np.ndarray
    right: np.ndarray
    donor_right: np.ndarray
    planned: int
    note: str = ""
    seconds: float = 0.0

    @property
    def blocks(self) -> list[Block]:
        """The blocks measured so far, one per row."""
        return [Block(int(start), int(start) + self.size) for start in self.starts]

    @cached_property
    def donor(self) -> np.ndarray:
        """float64 [K]: the donor's accuracy."""
        return self._means(self.donor_right[None])[0]

    @cached_property
    def donor_stderr(self) -> np.ndarray:
        return self._stderrs(self.donor_right[None])[0]

    @cached_property
    def accuracy(self) -> np.ndarray:
        """float64 [S, K]: accuracy without the block."""
        return self._means(self.right)

    @cached_property
    def stderr(self) -> np.ndarray:
        return self._stderrs(self.right)

    @cached_property
    def change(self) -> np.ndarray:
        """float64 [S, K]: accuracy without the block minus the donor's."""
        return self._means(self.right - self.donor_right)

    @cached_property
    def change_stderr(self) -> np.ndarray:
        """Of `change`, paired: both models answered the same items."""
        return self._stderrs(self.right - self.donor_right)

    @cached_property
    def clear(self) -> np.ndarray:
        """bool [S, K]: whether the change is more than `CLEAR` of its standard errors."""
        return np.abs(self.change) > CLEAR * self.change_stderr

    @cached_property
    def mean_change(self) -> np.ndarray:
        """float64 [S]: the mean of `change` over the skills, each with equal weight."""
        return self.change.mean(1)

    @cached_property
    def mean_change_stderr(self) -> np.ndarray:
        """Of `mean_change`: the skills have different items, so their errors are independent."""
        return np.sqrt(np.square(self.change_stderr).sum(1)) / len(self.skills)

    def only(self, metric: str) -> "SkillMap":
        """The same map of the skills under `metric` alone."""
        kept = [skill.metric == metric for skill in self.skills]
        columns = np.repeat(kept, [skill.items for skill in self.skills])
        skills = tuple(skill for skill in self.skills if skill.metric == metric)
        return replace(self, skills=skills, right=self.right[:, columns], donor_right=self.donor_right[columns])

    def _parts(self, values: np.ndarray) -> list[np.ndarray]:
        """values: [R, N], cut into the K skills."""
        return np.split(values, np.cumsum([skill.items for skill in self.skills])[:-1], axis=1)

    def _means(self, values: np.ndarray) -> np.ndarray:
        return np.stack([part.mean(1) for part in self._parts(values)], axis=1)

    def _stderrs(self, values: np.ndarray) -> np.ndarray:
        """lm-eval's standard error: the items' standard deviation (n - 1) over the root of n."""
        return np.stack([_stderr(part) for part in self._parts(values)], axis=1)


def _stderr(values: np.ndarray) -> np.ndarray:
    count = values.shape[1]
    return values.std(1, ddof=1) / np.sqrt(count) if count > 1 else np.full(len(values), np.nan)


def skills_csv(skills: SkillMap) -> str:
    """Every block and skill as CSV text: start, stop (half-open), fractions with their standard errors."""
    lines = ["start,stop,task,metric,items,chance,donor,donor_stderr,accuracy,stderr,change,change_stderr"]
    for row, block in enumerate(skills.blocks):
        for k, skill in enumerate(skills.skills):
            numbers = (
                skills.donor[k],
                skills.donor_stderr[k],
                *(values[row, k] for values in (skills.accuracy, skills.stderr, skills.change, skills.change_stderr)),
            )
            told = f"{block.start},{block.stop},{skill.task},{skill.metric},{skill.items},{skill.chance:.9g},"
            lines.append(told + ",".join(f"{number:.9g}" for number in numbers))
    return "\n".join(lines) + "\n"
