"""The drop map's pictures: the similarity maps' axes, honest signs, words for every cell."""

import numpy as np
import pytest

from pages._ui.figures.drop_map import damage_map, similarity_against_damage
from pages._ui.figures.similarity_map import similarity_map
from pages._ui.shared.theme import DARK
from prune_core.schema.drop_map import DropMap, block_cells
from tests.pages.synthetic import synthetic

LAYERS = 12


def drops(sequences: int = 3) -> DropMap:
    """Longer blocks cost more; the block [3, 5) makes the model better."""
    starts, stops = block_cells(LAYERS)
    cost = 0.01 * (stops - starts) ** 2.0
    cost[(starts == 3) & (stops == 5)] = -0.02
    cost[stops - starts == LAYERS] = np.nan
    tokens = np.arange(4, 4 + sequences)
    noise = np.linspace(0.9, 1.1, sequences)[:, None] * tokens[:, None]
    return DropMap(
        LAYERS, np.arange(sequences), tokens[:, None] + noise * cost, noise * np.abs(cost), tokens * 1.0, tokens, 8
    )


def test_the_map_lies_on_the_similarity_maps_axes():
    figure, similar = damage_map(drops(), palette=DARK), similarity_map(synthetic(LAYERS + 1), "cosine", DARK)
    assert figure.layout.xaxis.to_plotly_json() == similar.layout.xaxis.to_plotly_json()
    assert figure.layout.yaxis.to_plotly_json() == similar.layout.yaxis.to_plotly_json()
    assert (figure.layout.width, figure.layout.height) == (similar.layout.width, similar.layout.height)
    heat = figure.data[0]
    assert heat.z[1][4] == pytest.approx(np.log10(0.09), abs=0.01) == heat.z[4][1]
    assert heat.zmin == -3 and heat.zmax == 1
    assert np.isnan(heat.z[0][LAYERS])


def test_what_lowers_the_loss_is_marked_and_said():
    figure = damage_map(drops())
    signs = figure.data[1]
    assert sorted(zip(signs.x, signs.y, strict=True)) == [(3, 5), (5, 3)]
    assert figure.data[0].z[3][5] == -3  # the cheap end
    words = figure.data[0].text[3][5]
    assert "drop layers 3 to 4 (2 of 12)" in words and "change in loss -0.02" in words and "±" in words
    assert figure.data[0].text[0][LAYERS].endswith("at least one must stay")
    assert len(damage_map(drops(), "kl").data) == 1


def test_one_text_has_no_spread_and_a_loss_that_overflowed_is_said():
    assert "±" not in damage_map(drops(1)).data[0].text[1][2]
    one = drops(1)
    one.nll[0, 0] = np.nan
    assert damage_map(one).data[0].text[0][1].endswith("its loss is not finite")


def test_similarity_against_damage_shows_every_block():
    stats = synthetic(LAYERS + 1)
    figure = similarity_against_damage(stats, drops(), "angular")
    marks = figure.data[0]
    assert len(marks.x) == LAYERS * (LAYERS + 1) // 2 - 1
    below = np.flatnonzero(np.asarray(marks.marker.symbol) == "triangle-down")
    assert [marks.marker.color[k] for k in below] == [2] and marks.y[below[0]] == 1e-3
    assert "rank correlation +0." in figure.layout.annotations[0].text
    assert "drop layer 0" in marks.text[0] and "angular distance" in marks.text[0]
