"""Every loss that is made of logits, against its formula taken literally."""

import numpy as np
import pytest
import torch

from prune_core.cut.preview import sequence_losses
from prune_core.data.batches import Batch
from tests.fixtures.tiny import VOCAB, tiny_ids, tiny_model


def ragged_batches(lengths: tuple[int, ...], size: int) -> list[Batch]:
    """Sequences of these lengths, `size` a batch, padded on the right with token 7."""
    batches = []
    for start in range(0, len(lengths), size):
        part = lengths[start : start + size]
        ids, mask = torch.full((len(part), max(part)), 7), torch.zeros(len(part), max(part), dtype=torch.int64)
        for row, length in enumerate(part):
            ids[row, :length], mask[row, :length] = tiny_ids(1, length, seed=start + row), 1
        batches.append(Batch(ids, mask))
    return batches


@pytest.mark.parametrize("size", [1, 2, 5])
def test_sequence_losses_are_the_formula(size, monkeypatch):
    monkeypatch.setattr("prune_core.cut.preview.CHUNK_VALUES", 3 * VOCAB)  # three tokens at a time
    model, lengths = tiny_model("gemma2", 4), (20, 3, 13, 2, 1)
    found = sequence_losses(model, ragged_batches(lengths, size))
    assert found.nll.dtype == np.float64
    assert found.tokens.tolist() == [length - 1 for length in lengths]
    for row, batch in enumerate(ragged_batches(lengths, 1)):
        scores = torch.log_softmax(model(batch.input_ids).logits[0].double(), dim=-1)
        expected = -sum(float(scores[t, batch.input_ids[0, t + 1]]) for t in range(lengths[row] - 1))
        assert found.nll[row] == pytest.approx(expected, abs=1e-4)
