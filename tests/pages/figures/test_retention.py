"""The change of each skill with its interval."""

from dataclasses import replace

import pytest

from pages._ui.figures.retention import retention
from pages._ui.shared.theme import DARK, LIGHT
from tests.pages.synthetic import GAINED, GUESSED, KEPT, LOST, MEAN, UNCLEAR


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_figure_draws_the_interval(palette):
    figure = retention((LOST, KEPT, GAINED, UNCLEAR, MEAN, GUESSED), palette)
    marks = {trace.name: trace for trace in figure.data}
    assert set(marks) == {"lost", "no loss measured", "gained", "unclear", "donor at chance"}
    lost = marks["lost"]
    assert list(lost.y) == ["sums", "<b>skills, mean</b>"]
    assert lost.x[0] - lost.error_x.arrayminus[0] == pytest.approx(-10.4)
    assert lost.x[0] + lost.error_x.array[0] == pytest.approx(-4.2)
    assert len({trace.marker.symbol for trace in figure.data}) == 5
    said = [note.text for note in figure.layout.annotations]
    assert said[0] == "100.0 → 93.0%  lost"


def test_of_very_many_skills_only_the_means_and_the_changed_are_drawn():
    many = (*(replace(KEPT, task=f"t{n}") for n in range(60)), LOST, MEAN)
    names = {name for trace in retention(many).data for name in trace.y}
    assert names == {"sums", "<b>skills, mean</b>"}
