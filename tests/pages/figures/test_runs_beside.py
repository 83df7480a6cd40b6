"""Several runs beside each other, each against its own donor."""

import pytest

from pages._ui.figures.runs_beside import beside
from tests.fixtures.stored import result


def test_runs_beside_each_other_are_multiples_of_their_own_donors():
    figure = beside({"a": result(), "b": result(2.0)})
    ratios = [trace for trace in figure.data if trace.yaxis == "y2"]
    assert [trace.x[0] for trace in ratios] == pytest.approx([3.01 / 2.5, 6.02 / 2.5])
    assert [trace.x[0] for trace in figure.data if trace.yaxis == "y"] == pytest.approx([60.0, 60.0])
    assert len({trace.marker.symbol for trace in ratios}) == 2
