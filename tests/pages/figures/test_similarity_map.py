"""The similarity map: what a cell says, its scale, its axes and its outlines."""

import dataclasses

import numpy as np
import plotly.graph_objects as go
import pytest

from pages._ui import figures
from pages._ui.figures.similarity_map import outline
from pages._ui.shared.theme import DARK
from prune_core.schema.plan import Block
from tests.pages.synthetic import synthetic

STATS = synthetic(17)


def test_a_cell_says_states_layers_and_value() -> None:
    text = figures.similarity_map(STATS, "cosine").data[0].text
    value, error = STATS.values["cosine"][9, 13], STATS.stderrs["cosine"][9, 13]
    said = f"states 9 → 13<br>drop layers 9 to 12 (4 of 16)<br>cosine similarity {value:.3f} ± {error:.3f}"
    assert text[9][13] == text[13][9] == said
    assert "drop layer 3 (1 of 16)" in text[3][4]
    assert "at least one must stay" in text[0][16]
    assert "choose a cell off the diagonal" in text[5][5]


def test_an_unknown_error_is_not_made_up() -> None:
    unknown = dataclasses.replace(STATS, stderrs=STATS.stderrs | {"cka": np.full((17, 17), np.nan)})
    assert "±" not in figures.similarity_map(unknown, "cka").data[0].text[2][5]


@pytest.mark.parametrize(
    ("name", "reverse", "arrow"), [("cosine", False, "↑"), ("angular", True, "↓"), ("cka", False, "↑")]
)
def test_the_alike_end_is_yellow_and_named(name: str, reverse: bool, arrow: str) -> None:
    heat = figures.similarity_map(STATS, name, DARK).data[0]
    assert heat.reversescale is reverse
    assert heat.colorscale[-1][1].lower() == "#fde725"
    assert heat.colorbar.title.text.endswith(f"more alike {arrow}")
    assert np.allclose(heat.z, STATS.values[name], atol=1e-6)


@pytest.mark.parametrize("states", [6, 17, 33, 82])
def test_axes_are_alike_with_state_0_at_the_top_left(states: int) -> None:
    layout = figures.similarity_map(synthetic(states), "cosine").layout
    assert layout.xaxis.tickvals == layout.yaxis.tickvals
    assert len(layout.xaxis.tickvals) <= 18
    assert layout.xaxis.range == (-0.5, states - 0.5)
    assert layout.yaxis.range == (states - 0.5, -0.5)


def test_the_outline_goes_round_the_cells_in_straight_runs() -> None:
    mask = np.zeros((4, 4), dtype=bool)
    mask[0:2, 1:3] = True
    assert set(outline(mask).split("M")[1:]) == {
        "0.5,-0.5L2.5,-0.5",
        "0.5,1.5L2.5,1.5",
        "0.5,-0.5L0.5,1.5",
        "2.5,-0.5L2.5,1.5",
    }
    assert outline(np.zeros((3, 3), dtype=bool)) == ""


def test_passing_cells_are_outlined_with_a_dark_edge_and_the_diagonal_alone_is_not() -> None:
    assert figures.passing_shapes(None) == []
    assert figures.passing_shapes(np.eye(5, dtype=bool)) == []
    edge, line = figures.passing_shapes(STATS.values["cosine"] > 0.9)
    assert edge["path"] == line["path"]
    assert edge["fillcolor"] == line["fillcolor"] == "rgba(0,0,0,0)"


def test_a_chosen_block_is_its_square_and_its_two_cells() -> None:
    shapes = figures.chosen_shapes([Block(9, 13), Block(2, 3)], 17)
    assert len(shapes) == 12
    figure = go.Figure(layout={"shapes": shapes[:6]})
    middles = {((s.x0 + s.x1) / 2, (s.y0 + s.y1) / 2) for s in figure.layout.shapes}
    assert middles == {(11, 11), (13, 9), (9, 13)}
