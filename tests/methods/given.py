"""Evidence whose numbers a test gives, instead of measuring them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from prune_core.methods.base import Measured, Step
from prune_core.schema.plan import Plan


@dataclass(frozen=True)
class Given(Measured):
    """`damage` is what a plan's loss and divergence are, `scores` what taylor gives; `asked` are the plans in turn."""

    damage: Callable[[Plan], float] = lambda plan: 0.0
    scores: Sequence[float] = ()
    asked: list[Plan] = field(default_factory=list)

    def loss(self, plan: Plan) -> float:
        self.asked.append(plan)
        return self.damage(plan)

    def kl(self, plan: Plan, tokens: int | None = None) -> float:
        return self.loss(plan)

    def taylor(self) -> np.ndarray:
        return np.array(self.scores)

    @property
    def accepted(self) -> list[Step]:
        return [step for step in self.steps if step.accepted]
