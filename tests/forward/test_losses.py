"""Every loss that is made of logits, against its formula taken literally, a token at a time."""

import numpy as np
import pytest
import torch

from prune_core.forward import losses
from tests.fixtures.tiny import VOCAB, tiny_model
from tests.methods.models import ragged_batches

LENGTHS = (20, 3, 13, 2, 1)


def by_hand(model, other=None) -> tuple[list[float], list[float]]:
    """Summed -log p and KL(model || other) of each sequence by itself, without padding, in float64."""
    nll, kl = [], []
    for batch in ragged_batches(LENGTHS, len(LENGTHS)):
        for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True):
            one = ids[: int(mask.sum())]
            p = torch.log_softmax(model(one[None]).logits[0].double(), -1)
            q = p if other is None else torch.log_softmax(other(one[None]).logits[0].double(), -1)
            places = range(len(one) - 1)
            nll.append(-sum(float(p[t, one[t + 1]]) for t in places))
            kl.append(sum(float((p[t].exp() * (p[t] - q[t])).sum()) for t in places))
    return nll, kl


@pytest.mark.parametrize("size", [1, 2, 5])
def test_sequence_losses_are_the_formula(size, monkeypatch):
    three = [slice(n, n + 3) for n in range(0, 100, 3)]  # tokens at a time
    monkeypatch.setattr(losses, "chunks", lambda rows, vocabulary: [part for part in three if part.start < rows])
    model = tiny_model("gemma2", 4)
    found = [losses.batch_losses(model, batch) for batch in ragged_batches(LENGTHS, size)]
    nll, tokens = (np.concatenate(parts) for parts in zip(*found, strict=True))
    assert nll.dtype == np.float64 and tokens.tolist() == [length - 1 for length in LENGTHS]
    assert nll == pytest.approx(by_hand(model)[0], abs=1e-4)


def test_the_donors_predictions_are_held_against_another_model(monkeypatch):
    monkeypatch.setattr(losses, "PIECE_VALUES", 3 * VOCAB)
    donor, other = tiny_model("llama", 3), tiny_model("llama", 3, seed=1)
    (batch,) = ragged_batches(LENGTHS, len(LENGTHS))
    given = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    ours, theirs = (model(**given).logits for model in (donor, other))
    kept, nll = losses.donor_predictions(ours, batch.input_ids, batch.attention_mask)
    assert nll == pytest.approx(by_hand(donor)[0], abs=1e-4)
    nll, kl = losses.against_donor(theirs, kept)
    assert nll == pytest.approx(by_hand(other)[0], abs=1e-4)
    assert kl == pytest.approx(by_hand(donor, other)[1], abs=1e-4)


def test_a_loss_with_its_gradient_is_the_sum():
    model = tiny_model("gpt2", 2)
    head = model.get_input_embeddings().weight.requires_grad_(True)
    (batch,) = ragged_batches(LENGTHS, len(LENGTHS))
    loss, tokens = losses.summed_loss(model, batch)
    loss.backward()
    assert tokens == sum(length - 1 for length in LENGTHS)
    assert loss.item() == pytest.approx(sum(by_hand(model)[0]), rel=1e-5)
    assert head.grad is not None and head.grad.abs().sum() > 0


def test_what_the_donor_rules_out_adds_nothing():
    donor = torch.tensor([[0.0, float("-inf"), 0.0]])
    other = torch.tensor([[0.0, 0.0, 0.0]])
    assert losses.token_kl(donor, other).item() == pytest.approx(np.log(3 / 2), abs=1e-6)
    assert losses.same_top(torch.tensor([[1.0, 2], [3, 1]]), torch.tensor([[0.0, 1], [0, 1]])).tolist() == [True, False]


@pytest.mark.parametrize(("rows", "vocabulary", "values"), [(7, 10, 30), (7, 10, 1), (0, 5, 100), (6, 10, 30)])
def test_chunks_cover_every_row_once_and_stay_small(rows, vocabulary, values):
    parts = list(losses.chunks(rows, vocabulary, values))
    assert [n for part in parts for n in range(rows)[part]] == list(range(rows))
    assert all(len(range(rows)[part]) * vocabulary <= max(values, vocabulary) for part in parts)
