"""Means over tokens with errors over sequences, against the formula on all values at once."""

import numpy as np
import pytest
import torch

from prune_core.measure.similarity.means import SequenceMeans, sequence_sums, symmetric


def test_sums_in_pieces_are_cochrans_ratio_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    counts = np.array([3, 1, 7, 2, 5])
    values = [rng.normal(size=(count, 4)) for count in counts]
    means = SequenceMeans(4)
    for piece in (slice(0, 2), slice(2, 5)):
        means.add(np.stack([v.sum(0) for v in values[piece]]), counts[piece])
    every = np.concatenate(values)
    assert means.mean() == pytest.approx(every.mean(0))
    residuals = np.stack([v.sum(0) - every.mean(0) * len(v) for v in values])
    assert means.stderr() == pytest.approx(np.sqrt(5 / 4 * (residuals**2).sum(0)) / counts.sum())
    assert (means.sequences, means.tokens) == (5, 18)


def test_sequences_of_one_token_have_the_usual_error_and_one_sequence_none() -> None:
    values = np.random.default_rng(1).normal(size=(9, 2))
    means = SequenceMeans(2)
    means.add(values, np.ones(9))
    assert means.stderr() == pytest.approx(values.std(0, ddof=1) / 3)
    alone = SequenceMeans(2)
    alone.add(values[:1], np.ones(1))
    assert np.isnan(alone.stderr()).all() and alone.mean() == pytest.approx(values[0])


def test_rows_are_summed_by_their_sequence() -> None:
    values, whose = torch.randn(7, 3), torch.tensor([2, 0, 2, 2, 0, 3, 3])
    found = sequence_sums(values, whose, 5)
    for sequence in range(5):
        mine = [row for row, of in zip(values.double().numpy(), whose.tolist(), strict=True) if of == sequence]
        assert found[sequence] == pytest.approx(np.sum(mine, axis=0) if mine else np.zeros(3))


def test_pairs_lie_above_and_below_the_diagonal() -> None:
    found = symmetric(np.array([1.0, 2, 3, 4, 5, 6]), 4, 9.0)
    assert found.tolist() == [[9, 1, 2, 3], [1, 9, 4, 5], [2, 4, 9, 6], [3, 5, 6, 9]]
