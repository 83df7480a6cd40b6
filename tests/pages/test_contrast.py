"""What must be told apart can be: colours span the pairs that can be chosen, axes the layers that differ by decades."""

import dataclasses

import numpy as np
import pytest

from pages._ui import figures
from pages._ui.figures.similarity_map import fitted
from pages._ui.shared.theme import DARK
from tests.pages.synthetic import synthetic, with_norms

STATS = synthetic(17)


def test_colours_span_the_pairs_that_can_be_told_apart_and_full_range_the_measure() -> None:
    values = 0.7 + 0.25 * STATS.values["cka"]
    values[0, :] = values[:, 0] = 0.02  # an embedding that is like nothing, as in most models
    np.fill_diagonal(values, 1)
    stats = dataclasses.replace(STATS, values=STATS.values | {"cka": values})
    inner = values[np.triu_indices(17, 1)][16:]  # state 0's pairs come first
    heat = figures.similarity_map(stats, "cka").data[0]
    assert inner.min() - 0.06 < heat.zmin <= np.percentile(inner, 1)
    assert np.percentile(inner, 99) <= heat.zmax < inner.max() + 0.06
    assert heat.colorbar.ticktext[0] == f"≤ {heat.zmin:.2f}" and heat.colorbar.tickvals[0] == heat.zmin
    assert heat.colorbar.tickvals[-1] == pytest.approx(heat.zmax)
    full = figures.similarity_map(stats, "cka", full=True).data[0]
    assert (full.zmin, full.zmax) == (0, 1) and full.colorbar.ticktext == (
        "0.00",
        "0.20",
        "0.40",
        "0.60",
        "0.80",
        "1.00",
    )


@pytest.mark.parametrize("values", [np.ones((4, 4)), np.full((2, 2), 0.3), np.full((5, 5), np.nan)])
def test_values_all_alike_or_unknown_still_have_limits(values: np.ndarray) -> None:
    low, high, step = fitted(values)
    assert low < high and step > 0
    known = values[np.isfinite(values)]
    assert not known.size or low <= known[0] <= high


def test_limits_are_in_whole_steps_from_four_to_ten() -> None:
    rng = np.random.default_rng(0)
    for spread in 10.0 ** rng.uniform(-3, 0, 50):
        low, high, step = fitted(rng.uniform(-0.2, 1) + spread * rng.random((20, 20)))
        assert 4 <= round((high - low) / step) <= 11 and high - low == pytest.approx(step * round((high - low) / step))


def test_a_layer_far_above_the_others_makes_the_axis_logarithmic_and_all_stay_readable() -> None:
    cosine = np.full((17, 17), 0.97)
    cosine[0, 1] = cosine[1, 0] = 0.05
    cosine[8, 9] = 1.0  # a layer that does nothing has no logarithm
    stats = dataclasses.replace(STATS, values=STATS.values | {"cosine": cosine})
    figure = figures.block_influence(stats)
    (bars,), axis = figure.data, figure.layout.yaxis
    assert axis.type == "log" and "log axis" in axis.title.text
    low, high = axis.range
    share = (np.log10(bars.y) - low) / (high - low)
    assert share[0] < 1 and share[1] > 0.05 and np.isfinite(share).all() and min(share) > 0
    assert "Block Influence 0.9500" in bars.text[0] and "Block Influence 0.0000" in bars.text[8]
    cosine[0, 1], cosine[8, 9] = 0.9, 0.97
    assert figures.block_influence(stats).layout.yaxis.type is None


def test_norms_are_drawn_with_the_lines_above_which_a_token_is_massive() -> None:
    norms = with_norms(STATS).norms
    assert norms is not None
    figure = figures.state_norms(norms, DARK)
    lines = {trace.name.split(":")[0]: trace for trace in figure.data}
    assert set(lines) == {"20 × median", "4 × median", "largest", "median"}
    assert np.allclose(lines["20 × median"].y, 20 * norms.median) and np.allclose(lines["largest"].y, norms.largest)
    assert figure.layout.yaxis.type == "log"
    assert "(100.0 × median)" in lines["largest"].text[5] and "64 massive tokens" in lines["largest"].text[5]
