"""The best sets of blocks for a budget, against enumeration."""

import itertools

import numpy as np
import pytest

from prune_core.schema.errors import UserError
from prune_core.search.block_sets import best_sets, remeasured


def runs_of(layers: tuple[int, ...]) -> list[tuple[int, int]]:
    starts = [layer for layer in layers if layer - 1 not in layers]
    return [(start, next(q for q in itertools.count(start) if q not in layers)) for start in starts]


@pytest.mark.parametrize("most_blocks", [None, 1, 2])
@pytest.mark.parametrize("budget", [1, 3, 5, 7])
def test_best_sets_are_those_of_enumeration(budget, most_blocks):
    layers = 8
    damage = np.random.default_rng(budget).normal(size=(layers + 1, layers + 1)) * 3 + 1
    damage[2, 4] = np.nan
    damage[0, layers] = np.nan
    found = best_sets(damage, budget, count=6, most_blocks=most_blocks)
    every = []
    for chosen in itertools.combinations(range(layers), budget):
        runs = runs_of(chosen)
        cost = sum(damage[i, j] for i, j in runs)
        if np.isfinite(cost) and len(runs) <= (most_blocks or budget):
            every.append((cost, chosen))
    expected = sorted(every)[:6]
    assert [candidate.layers for candidate in found] == [chosen for _, chosen in expected]
    np.testing.assert_allclose([candidate.predicted for candidate in found], [cost for cost, _ in expected])


def test_measured_again_and_sorted():
    found = best_sets(np.abs(np.random.default_rng(0).normal(size=(7, 7))), 3, count=4)
    measured = remeasured(found, lambda layers: -float(sum(layers)))
    assert sorted(sum(c.layers) for c in measured) == sorted(sum(c.layers) for c in found)
    assert [c.measured for c in measured] == sorted(-float(sum(c.layers)) for c in found)


def test_impossible_budgets_are_refused():
    for budget in (0, 6, 7):
        with pytest.raises(UserError, match="choose 1 to 5"):
            best_sets(np.zeros((7, 7)), budget)
