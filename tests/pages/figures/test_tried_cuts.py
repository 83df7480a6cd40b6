"""Every cut that was tried as a point."""

import pytest

from pages._ui import figures
from prune_core.schema.plan import drop_plan
from prune_core.schema.reports import Preview


def test_the_newest_preview_stands_out_and_says_its_layers() -> None:
    plans = [(2,), (), (2, 5, 6)]
    history = [Preview(drop_plan(8, p), 2.0, 2.0 + 0.1 * len(p), 0.01, 100, 0.1) for p in plans]
    earlier, now = figures.loss_preview(history[:-1], history[-1]).data
    assert list(earlier.x) == [1, 0]
    assert (now.x[0], now.y[0]) == (3, pytest.approx(0.3))
    assert now.text[0].strip() == "2, 5 to 6"
    assert len(figures.loss_preview([], None).data) == 2


def test_a_cut_that_costs_far_more_than_the_others_stands_at_the_upper_edge_with_its_number() -> None:
    history = [Preview(drop_plan(8, [k]), 2.0, 2.0 + cost, 0.01, 100, 0.1) for k, cost in enumerate((0.1, 0.2, 9.0))]
    earlier, now = figures.loss_preview(history, None).data
    assert earlier.y[:2] == pytest.approx((0.1, 0.2)) and 0.2 < earlier.y[2] < 0.3
    assert list(earlier.marker.symbol) == ["circle", "circle", "triangle-up"]
    assert "+9.00" in earlier.text[2] and "+9.000" in earlier.customdata[2]
    assert len(now.x) == 0
