"""Bars a layer or a block: what they measure and what they are called."""

import numpy as np
import pytest

from pages._ui import figures
from tests.pages.synthetic import synthetic

STATS = synthetic(17)


def test_block_influence_and_its_error_are_those_of_neighbouring_states() -> None:
    bars = figures.block_influence(STATS, marked=(4, 5)).data[0]
    neighbours = [(layer, layer + 1) for layer in range(16)]
    assert np.allclose(bars.y, [1 - STATS.values["cosine"][cell] for cell in neighbours])
    assert np.allclose(bars.error_y.array, [STATS.stderrs["cosine"][cell] for cell in neighbours])
    assert [layer for layer, shape in enumerate(bars.marker.pattern.shape) if shape] == [4, 5]


def test_best_blocks_are_labelled_by_their_layers() -> None:
    line = figures.best_blocks(STATS, "angular").data[0]
    assert list(line.x) == list(range(1, 16))
    for size, value, words in zip(line.x, line.y, line.customdata, strict=True):
        assert value == pytest.approx(np.diagonal(STATS.values["angular"], offset=size).min())
        assert f"({size} of 16)" in words
    assert line.text[2] == line.customdata[2].split("layers ")[1].split(" (")[0].replace(" to ", "–")
