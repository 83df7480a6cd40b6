"""The threshold that is found for a budget is the highest that meets it, as trying every score shows."""

import numpy as np
import pytest

from prune_core.methods.base import Measured, Step
from prune_core.methods.threshold import Trial, decide, words
from prune_core.schema.errors import UserError
from prune_core.schema.plan import drop_plan

LAYERS = 10


def attempt_with(similarity: list[float], budget: int | None):
    """A search that takes layer after layer while its similarity reaches the threshold, at most `budget` of them."""

    def attempt(threshold: float) -> Trial:
        gone, steps = [], []
        for layer, score in enumerate(similarity):
            if budget is not None and len(gone) == budget:
                break
            accepted = score >= threshold
            steps.append(Step(drop_plan(LAYERS, [*gone, layer]), score, accepted))
            gone += [layer] * accepted
        return Trial(drop_plan(LAYERS, gone), steps)

    return attempt


@pytest.mark.parametrize("budget", range(1, 8))
def test_the_highest_threshold_that_meets_the_budget(budget) -> None:
    similarity = np.random.default_rng(budget).uniform(-0.2, 1, LAYERS - 1).tolist()
    attempt, evidence = attempt_with(similarity, budget), Measured(LAYERS)
    plan = decide(evidence, "It", None, budget, attempt)
    meets = [score for score in similarity if len(attempt(score).plan.removed) == budget]
    assert plan == attempt(max(meets)).plan and len(plan.removed) == budget
    assert evidence.steps == attempt(max(meets)).steps


def test_a_threshold_that_is_given_is_kept_to_and_one_of_both_is_needed() -> None:
    similarity = [0.9, 0.2, 0.8]
    assert decide(Measured(LAYERS), "It", 0.5, None, attempt_with(similarity, None)).removed == (0, 2)
    assert decide(Measured(LAYERS), "It", 0.5, 1, attempt_with(similarity, 1)).removed == (0,)
    with pytest.raises(UserError, match="It needs a threshold or a budget"):
        decide(Measured(LAYERS), "It", None, None, attempt_with(similarity, None))
    with pytest.raises(UserError, match="removes 3 layers when it accepts every merge, not 4"):
        decide(Measured(LAYERS), "It", None, 4, attempt_with(similarity, 4))


def test_a_threshold_in_words() -> None:
    assert (words(0.75), words(0.75, 2), words(-1)) == ("threshold 0.7500", "threshold 0.75", "any similarity")
