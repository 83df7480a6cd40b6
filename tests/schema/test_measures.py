"""What follows from maps of likeness, against plain loops."""

import itertools

import numpy as np
import pytest

from prune_core.schema import measures
from prune_core.schema.measures import LayerStats

LAYERS = 7
RNG = np.random.default_rng(3)


def symmetric() -> np.ndarray:
    values = RNG.random((LAYERS + 1, LAYERS + 1))
    return (values + values.T) / 2


@pytest.mark.parametrize("name", [measure.name for measure in (*measures.MEASURES, *measures.EXTRA_MEASURES)])
@pytest.mark.parametrize("protect_last", [False, True])
def test_the_best_block_of_each_size_is_that_of_a_loop(name, protect_last) -> None:
    values, sign = symmetric(), 1 if measures.measure(name).alike_is_high else -1
    assert np.array_equal(measures.alike(name, values), sign * values)
    found = measures.best_blocks(name, values, protect_last)
    assert [stop - start for start, stop, _ in found] == list(range(1, LAYERS))
    for start, stop, value in found:
        rivals = [(i, i + stop - start) for i in range(LAYERS + 1 - (stop - start) - protect_last)]
        best = max(rivals, key=lambda block: sign * values[block])
        assert (start, stop) == best and value == values[best]


def test_block_influence_is_of_neighbouring_states() -> None:
    values = symmetric()
    assert measures.block_influence(values) == pytest.approx([1 - values[n, n + 1] for n in range(LAYERS)])


@pytest.mark.parametrize("name", ["cosine", "angular"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_blocks_that_pass_do_not_touch_and_none_could_be_added(name, share) -> None:
    values = symmetric()
    threshold = float(np.quantile(values, share))
    passing = measures.passing_cells(name, values, threshold)
    high = measures.measure(name).alike_is_high
    for i, j in itertools.product(range(LAYERS + 1), repeat=2):
        assert passing[i, j] == (i != j and (values[i, j] >= threshold if high else values[i, j] <= threshold))
    chosen = measures.blocks_passing(name, values, threshold)
    assert chosen == sorted(chosen) and all(passing[block] for block in chosen)
    assert all(stop < start for (_, stop), (start, _) in itertools.pairwise(chosen))
    apart = lambda one, other: one[1] < other[0] or one[0] > other[1]  # noqa: E731
    every = [(i, j) for i, j in itertools.combinations(range(LAYERS + 1), 2) if passing[i, j] and j - i < LAYERS]
    assert not [block for block in every if all(apart(block, other) for other in chosen)]


def test_csv_has_a_line_for_each_pair() -> None:
    values = symmetric()
    stats = LayerStats(LAYERS, {"cosine": values, "cka": values}, {"cosine": 0 * values, "cka": values}, 2, 9)
    head, *lines = measures.stats_csv(stats).splitlines()
    assert head == "start,stop,cosine,cosine_stderr,cka,cka_stderr"
    assert len(lines) == LAYERS * (LAYERS + 1) // 2
    start, stop, *numbers = lines[-1].split(",")
    assert (start, stop) == (str(LAYERS - 1), str(LAYERS)) and float(numbers[0]) == pytest.approx(values[-2, -1])
    assert [measure.name for measure in measures.measured(stats)] == ["cosine", "cka"]
