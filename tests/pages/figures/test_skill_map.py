"""The map of skills: every block against every skill."""

import numpy as np
import pytest

from pages._ui.figures.skill_map import skill_map
from pages._ui.shared.theme import DARK, LIGHT
from tests.pages.finished import LAYERS
from tests.pages.synthetic import skills


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_map_of_skills(palette):
    figure = skill_map(skills(measured=5), (2, 3, 9), palette)
    heat, squares = figure.data
    z, marks = np.array(heat.z, dtype=float), np.array(heat.text)
    assert z.shape == (3, LAYERS)  # the mean of skills on top
    assert z[:, 0].tolist() == [-100, -100, -100] and z[1, 3] == pytest.approx(-75) and z[0, 3] == pytest.approx(-37.5)
    assert np.isnan(z[:, 5:]).all() and heat.zmin == -heat.zmax == -100
    assert marks[1].tolist() == ["−100", "·", "·", "−75", "·"] + [""] * 11
    assert len(squares.x) == 3 * 5 and squares.customdata[3][0] == 3
    assert "sums without layer 3<br>25.0% of 40 items right (donor 100.0%, chance 25%)<br>change -75.0 ±" in (
        "\n".join(squares.text)
    )
    assert "no clear change" in squares.text[1]
    assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == {(1.5, 3.5), (8.5, 9.5)}


def test_the_map_of_blocks():
    figure = skill_map(skills(size=3), (4, 5, 6, 7), LIGHT)
    assert np.array(figure.data[0].z).shape == (3, LAYERS - 2)
    assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == {(3.5, 5.5)}  # [4, 7) and [5, 8)
    assert "without layers 3 to 5" in "\n".join(figure.data[1].text)
