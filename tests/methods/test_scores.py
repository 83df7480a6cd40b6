"""Methods that score and drop, on numbers that are given: what goes is what enumeration would take."""

import itertools

import numpy as np
import pytest

from prune_core.methods.base import Measured, drop_block, drop_lowest, drop_parts, unprotected
from prune_core.methods.evopress import EvoPress
from prune_core.methods.shortened_llama import ShortenedLoss, ShortenedTaylor
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Drop, DropPart, Plan
from tests.methods.given import Given

LAYERS = 8


def lowest(scores, layers, budget: int) -> tuple[int, ...]:
    return tuple(sorted(sorted(layers, key=lambda layer: scores[layer])[:budget]))


@pytest.mark.parametrize("budget", [1, 2])
def test_taylor_drops_what_matters_least_but_for_the_protected_ends(budget) -> None:
    scores = np.random.default_rng(budget).random(LAYERS).tolist()
    evidence = Given(LAYERS, scores=scores)
    assert ShortenedTaylor().plan(evidence, budget).removed == lowest(scores, range(4, 6), budget)
    assert [step.score for step in evidence.accepted] == sorted(scores[4:6])[:budget]
    assert ShortenedTaylor(0, 0).plan(evidence, 3).removed == lowest(scores, range(LAYERS), 3)


def test_the_loss_method_asks_for_each_layer_once_and_drops_the_cheapest() -> None:
    costs = np.random.default_rng(0).random(LAYERS)
    evidence = Given(LAYERS, damage=lambda plan: sum(costs[layer] for layer in plan.removed))
    assert ShortenedLoss().plan(evidence, 3).removed == lowest(costs, range(LAYERS), 3)
    assert [plan.removed for plan in evidence.asked] == [(layer,) for layer in range(LAYERS)]


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_evolution_finds_the_best_of_all_cuts_where_it_can_see_them_all(budget) -> None:
    rng = np.random.default_rng(budget)
    damage = {cut: rng.random() for cut in itertools.combinations(range(LAYERS), budget)}
    evidence = Given(LAYERS, damage=lambda plan: damage[plan.removed])
    plan = EvoPress(initial=4, generations=40, offspring=20).plan(evidence, budget)
    assert plan.removed == min(damage, key=lambda cut: damage[cut])
    scores = [step.score for step in evidence.accepted]
    assert scores == sorted(scores, reverse=True)  # never worse than its parent
    again = Given(LAYERS, damage=lambda plan: damage[plan.removed])
    EvoPress(initial=4, generations=40, offspring=20).plan(again, budget)
    assert again.asked == evidence.asked  # the same seed draws the same


def test_of_equal_scores_the_lower_layer_goes_and_all_are_recorded() -> None:
    evidence = Measured(4)
    assert drop_lowest(evidence, [1, 2, 3], [0.5, 0.5, 0.1], 2).removed == (1, 3)
    assert [(step.plan.removed, step.accepted) for step in evidence.steps] == [
        ((3,), True),
        ((1,), True),
        ((2,), False),
    ]
    assert drop_block(evidence, [3.0, 1.0, 2.0], 2, 1).removed == (1, 2)
    assert [step.accepted for step in evidence.steps[3:]] == [False, True, False]


def test_a_layer_that_loses_both_parts_goes_whole() -> None:
    plan = drop_parts(5, [("attention", 1), ("mlp", 1), ("mlp", 3), ("attention", 0)])
    assert set(plan.edits) == {Drop((1,)), DropPart("attention", (0,)), DropPart("mlp", (3,))}
    assert drop_parts(5, []) == Plan(5)


def test_protected_layers_leave_so_much_room() -> None:
    assert unprotected(Measured(6), "It", 3, 1, 2) == [1, 2, 3]
    with pytest.raises(UserError, match="It can remove at most 3 of 6 layers here, not 4"):
        unprotected(Measured(6), "It", 4, 1, 2)
