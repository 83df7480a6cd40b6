"""KL and top-1 agreement with the donor against a literal loop over tokens."""

import numpy as np
import pytest
import torch

from prune_core.evaluate import perplexity as windows
from prune_core.evaluate.agreement import agreement
from prune_core.evaluate.perplexity import perplexity
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.inputs import HeldOut
from prune_core.schema.progress import Silent
from prune_core.schema.reports import Metric
from tests.fixtures.tiny import tiny_model, tiny_tokenizer

DOCUMENTS = ["The quick brown fox jumps over the lazy dog.", "One more.", "A longer one:" + " abc def ghi" * 8]
HELDOUT = HeldOut(context=32, stride=16)


def run(donor, pruned, heldout: HeldOut = HELDOUT) -> dict[str, Metric]:
    return {m.name: m for m in agreement(donor, pruned, tiny_tokenizer(), heldout, DOCUMENTS)}


def by_hand(donor, pruned, joined: bool) -> list[list[tuple[float, bool]]]:
    """(KL, same likeliest token) of every scored token, by document; by window when joined. One window at a time."""
    tokenizer, units = tiny_tokenizer(), []
    for text in ["\n\n".join(DOCUMENTS)] if joined else DOCUMENTS:
        ids = tokenizer(text, return_tensors="pt", verbose=False)["input_ids"]
        of_text, scored_to = [], 1
        for begin in range(0, ids.shape[1], 16):
            end, unit = min(begin + 32, ids.shape[1]), []
            with torch.no_grad():
                p, q = (m(ids[:, begin:end]).logits[0].double().softmax(-1) for m in (donor, pruned))
            for place in range(scored_to, end):
                a, b = p[place - 1 - begin], q[place - 1 - begin]
                unit.append((float((a * (a / b).log()).sum()), bool(a.argmax() == b.argmax())))
            scored_to = end
            of_text.append(unit)
            if end == ids.shape[1]:
                break
        units += of_text if joined else [[token for unit in of_text for token in unit]]
    return units


@pytest.mark.parametrize("joined", [False, True])
def test_equals_the_loop(joined):
    donor, pruned = tiny_model("llama", 4), tiny_model("llama", 2)
    units = by_hand(donor, pruned, joined)
    found = run(donor, pruned, HeldOut(context=32, stride=16, joined=joined))
    for name, column in (("KL from donor", 0), ("same likeliest token", 1)):
        sums = np.array([sum(token[column] for token in unit) for unit in units], dtype=float)
        counts = np.array([len(unit) for unit in units], dtype=float)
        mean = sums.sum() / counts.sum()
        residuals = sums - mean * counts
        expected = np.sqrt(len(units) / (len(units) - 1) * (residuals**2).sum()) / counts.sum()
        assert found[name].value == pytest.approx(mean, rel=1e-4)
        assert found[name].stderr == pytest.approx(expected, rel=1e-3)
        assert found[name].samples == counts.sum()
    assert found["KL from donor"].unit == "nats/token"
    assert 0 < found["same likeliest token"].value < 1


def test_the_same_tokens_as_perplexity_and_the_same_note():
    model = tiny_model("llama", 3)
    found, other = run(model, model), perplexity(model, tiny_tokenizer(), HELDOUT, DOCUMENTS)[0]
    assert found["KL from donor"].value == 0
    assert found["same likeliest token"].value == 1
    assert (found["KL from donor"].samples, found["KL from donor"].note) == (other.samples, other.note)


def test_batches_do_not_matter(monkeypatch):
    donor, pruned = tiny_model("qwen2", 4), tiny_model("qwen2", 3)
    together = run(donor, pruned)
    monkeypatch.setattr(windows, "CPU_BATCH_TOKENS", 1)
    monkeypatch.setattr(windows, "SOFTMAX_ROWS", 5)
    alone = run(donor, pruned)
    assert alone["KL from donor"].value == pytest.approx(together["KL from donor"].value, rel=1e-5)
    assert alone["same likeliest token"].value == together["same likeliest token"].value


def test_a_token_that_the_donor_rules_out_counts_nothing():
    donor, pruned = tiny_model("llama", 2), tiny_model("llama", 2)
    for model in (donor, pruned):
        model.lm_head.bias = torch.nn.Parameter(torch.zeros(128))
        model.lm_head.bias.data[5] = -torch.inf
    assert run(donor, pruned)["KL from donor"].value == 0


def test_numbers_that_overflow_are_an_error_and_cancel_works():
    donor, broken = tiny_model("llama", 2), tiny_model("llama", 2)
    broken.lm_head.weight.fill_(float("nan"))
    with pytest.raises(UserError, match="KL divergence from the donor is nan"):
        run(donor, broken)

    class Stops(Silent):
        def advance(self, done: int = 1) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        agreement(donor, donor, tiny_tokenizer(), HELDOUT, DOCUMENTS, Stops())
