"""Rank correlation of likeness and damage, by hand and by made-up maps."""

import numpy as np
import pytest

from prune_core.measure.correlation import correlations, spearman
from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats
from tests.fixtures.maps import drop_map_of


def test_ranks_of_ties_are_averaged():
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([1.0, 8, 27, 64])) == pytest.approx(1)
    # by hand: ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4: covariance 4.5 over sqrt(4.5 * 5)
    assert spearman(np.array([0.0, 5, 5, 9]), np.array([1.0, 3, 2, 4])) == pytest.approx(4.5 / np.sqrt(22.5))
    assert np.isnan(spearman(np.ones(4), np.arange(4.0))) and np.isnan(spearman(np.arange(2.0), np.arange(2.0)))


def test_correlation_overall_and_within_sizes():
    rng = np.random.default_rng(0)
    damage = np.triu(rng.random((9, 9)), 1)
    damage = damage + damage.T
    damage[0, 8] = damage[8, 0] = np.nan
    size = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    values = {"cosine": 1 - damage, "angular": damage, "cka": 1.0 / (1 + size)}
    stats = LayerStats(8, values, {}, 2, 2)
    found = {a.measure: a for a in correlations(stats, drop_map_of(damage))}
    assert found["cosine"].overall == pytest.approx(1) and found["angular"].within == pytest.approx(1)
    assert np.isnan(found["cka"].by_size).all() and np.isnan(found["cka"].within)  # knows the size only
    assert np.isnan(found["cosine"].by_size[[0, 6, 7]][0]) and found["cosine"].by_size[5] == pytest.approx(1)
    with pytest.raises(UserError, match="same model"):
        correlations(stats, drop_map_of(damage[:6, :6]))
