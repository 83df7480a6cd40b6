"""The standard error of a ratio of sums, against the spread of the ratio over fresh draws."""

import numpy as np
import pytest

from prune_core.schema.stats import ratio_stderr, ratio_stderrs


def test_it_is_the_spread_of_the_ratio_over_many_draws() -> None:
    rng = np.random.default_rng(0)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        counts = rng.integers(5, 40, size=200)
        rates = rng.normal(2.0, 0.5, size=(200, 2))  # texts differ, and the longer ones weigh more
        return rates * counts[:, None], counts

    draws = [draw() for _ in range(800)]
    ratios = np.array([sums.sum(0) / counts.sum() for sums, counts in draws])
    told = np.mean([ratio_stderrs(*each) for each in draws], axis=0)
    assert told == pytest.approx(ratios.std(0, ddof=1), rel=0.08)


def test_equal_counts_have_the_usual_error_and_one_unit_has_none() -> None:
    sums = np.random.default_rng(1).normal(size=12)
    assert ratio_stderr(sums, np.full(12, 3)) == pytest.approx((sums / 3).std(ddof=1) / np.sqrt(12))
    assert ratio_stderr(sums[:1], np.ones(1)) is None
    assert np.isnan(ratio_stderrs(sums[:1, None], np.ones(1))).all()
