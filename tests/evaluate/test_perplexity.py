"""Perplexity against a literal transcription of transformers' documentation, and what makes it a measure."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prune_core.evaluate import perplexity as module
from prune_core.evaluate.perplexity import perplexity, window_losses, windows
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.inputs import HeldOut
from prune_core.schema.progress import Silent
from prune_core.schema.reports import Metric
from prune_core.schema.stats import ratio_stderr
from tests.fixtures.tiny import CONTEXT, FAMILIES, tiny_ids, tiny_model, tiny_tokenizer

DOCUMENTS = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps.",
    "  One more line.\n",
    "",
    "A longer document so that several windows are needed: " + "abc def ghi jkl mno. " * 6,
]


def documented(model, ids: torch.Tensor, max_length: int, stride: int, one_too_few: bool) -> tuple[float, int]:
    """(Summed nll, tokens) as the documentation's loop computes them; ids [1, T].

    `one_too_few` keeps its weights (valid tokens - 1); without it a window weighs the tokens of its mean.
    """
    seq_len = ids.size(1)
    nll_sum, n_tokens, prev_end_loc = 0.0, 0, 0
    for begin_loc in range(0, seq_len, stride):
        end_loc = min(begin_loc + max_length, seq_len)
        trg_len = end_loc - prev_end_loc
        input_ids = ids[:, begin_loc:end_loc]
        target_ids = input_ids.clone()
        target_ids[:, :-trg_len] = -100
        with torch.no_grad():
            neg_log_likelihood = model(input_ids, labels=target_ids).loss.item()
        counted = (target_ids != -100).sum().item() - 1 if one_too_few else (target_ids[:, 1:] != -100).sum().item()
        if counted:
            nll_sum += neg_log_likelihood * counted
            n_tokens += counted
        prev_end_loc = end_loc
        if end_loc == seq_len:
            break
    return nll_sum, n_tokens


def by_name(metrics: tuple[Metric, ...]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


def run(model, heldout: HeldOut, documents=DOCUMENTS) -> dict[str, Metric]:
    return by_name(perplexity(model, tiny_tokenizer(), heldout, documents))


@pytest.mark.parametrize(("context", "stride"), [(32, 32), (32, 16), (32, 5), (200, 100)])
def test_joined_equals_the_documentation(context, stride):
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    ids = tokenizer("\n\n".join(DOCUMENTS), return_tensors="pt", verbose=False)["input_ids"]
    nll, tokens = documented(model, ids, context, stride, one_too_few=False)
    found = run(model, HeldOut(context=context, stride=stride, joined=True))
    assert found["perplexity"].value == pytest.approx(math.exp(nll / tokens), rel=1e-6)
    assert found["loss"].value == pytest.approx(nll / tokens, rel=1e-6)
    assert found["perplexity"].samples == found["loss"].samples == tokens


def test_the_documentations_own_weights_are_ours_where_windows_do_not_overlap_and_close_where_they_do():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    ids = tokenizer("\n\n".join(DOCUMENTS), return_tensors="pt", verbose=False)["input_ids"]
    for stride, tolerance in ((32, 1e-6), (16, 5e-3)):
        nll, tokens = documented(model, ids, 32, stride, one_too_few=True)
        found = run(model, HeldOut(context=32, stride=stride, joined=True))
        assert found["loss"].value == pytest.approx(nll / tokens, rel=tolerance)


def test_separate_documents_equal_the_documentation_on_each():
    model, tokenizer = tiny_model("qwen2"), tiny_tokenizer()
    texts = [d.strip() for d in DOCUMENTS if d.strip()]
    streams = [tokenizer(text, return_tensors="pt", verbose=False)["input_ids"] for text in texts]
    assert all(ids[0, 0] == tokenizer.bos_token_id for ids in streams)
    each = [documented(model, ids, 40, 20, one_too_few=False) for ids in streams]
    nll, tokens = (sum(part) for part in zip(*each, strict=True))
    found = run(model, HeldOut(context=40, stride=20))
    assert found["perplexity"].value == pytest.approx(math.exp(nll / tokens), rel=1e-6)
    assert found["loss"].samples == tokens == sum(ids.shape[1] - 1 for ids in streams)
    sums, counts = (np.array(part) for part in zip(*each, strict=True))
    residuals = sums - nll / tokens * counts
    expected = np.std(residuals, ddof=1) * np.sqrt(len(sums)) / tokens  # residuals have mean 0
    assert found["loss"].stderr == pytest.approx(expected, rel=1e-5)
    assert found["perplexity"].stderr == pytest.approx(expected * found["perplexity"].value, rel=1e-5)


def test_note_and_task_state_how_it_was_measured():
    found = run(tiny_model("llama"), HeldOut(source="texts/held.txt", context=32, stride=16))["perplexity"]
    assert found.task == "held.txt"
    assert found.note == f"context 32, stride 16, 3 documents scored separately, {found.samples:,} tokens"
    assert not found.higher_is_better


@pytest.mark.parametrize("family", FAMILIES)
def test_batching_never_changes_the_losses(family, monkeypatch):
    model = tiny_model(family, layers=4)
    every = [w for i, n in enumerate((50, 3, 21, 34, 2)) for w in windows(i, tiny_ids(1, n, i)[0].tolist(), 24, 12)]
    monkeypatch.setattr(module, "CPU_BATCH_TOKENS", 1)
    alone = window_losses(model, every, Silent())
    monkeypatch.setattr(module, "CPU_BATCH_TOKENS", 2048)
    together = window_losses(model, every, Silent())
    monkeypatch.setattr(module, "SOFTMAX_ROWS", 7)
    np.testing.assert_allclose(together, alone, rtol=2e-6)
    np.testing.assert_allclose(window_losses(model, every, Silent()), together, rtol=1e-12)


@settings(max_examples=200, deadline=None)
@given(length=st.integers(0, 60), context=st.integers(2, 20), part=st.floats(0, 1))
def test_windows_score_every_token_but_the_first_once(length, context, part):
    stride = max(1, round(part * context))
    tokens = list(range(length))
    cut = list(windows(0, tokens, context, stride))
    scored = [t for w in cut for t in w.tokens[len(w.tokens) - w.scored :]]
    firsts = set(range(0, length, stride)) if stride == context else {0}
    assert scored == [t for t in tokens if t not in firsts]
    assert all(len(w.tokens) <= context and w.scored < len(w.tokens) for w in cut)


def test_bfloat16_model_and_limited_tokens():
    model = tiny_model("llama").bfloat16()
    heldout = HeldOut(context=64, stride=32, max_tokens=100)
    found = run(model, heldout)["loss"]
    assert found.value == pytest.approx(run(tiny_model("llama"), heldout)["loss"].value, rel=0.02)
    assert found.samples == 100 - 3  # three documents, the first token of each is not scored
    assert found.note.endswith("97 tokens (the text's first 100)")
    assert run(model, HeldOut(context=64, stride=32, max_tokens=100, joined=True))["loss"].samples == 99


def test_perplexity_too_large_for_a_float_is_left_out():
    model = tiny_model("llama")
    model.lm_head.weight.mul_(1e4)
    found = run(model, HeldOut(context=32, stride=16))
    assert set(found) == {"loss"}
    assert found["loss"].value > 709
    assert "too large to write" in found["loss"].note


def test_a_loss_that_is_not_a_number_is_an_error():
    model = tiny_model("llama")
    model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(UserError, match="loss on held-out text is nan, as the model overflows in float32"):
        run(model, HeldOut(context=32, stride=16))


@pytest.mark.parametrize(
    ("heldout", "documents", "message"),
    [
        (HeldOut(context=CONTEXT + 1), DOCUMENTS, "choose a shorter context"),
        (HeldOut(context=32, stride=33), DOCUMENTS, "would leave tokens out"),
        (HeldOut(context=32, stride=0), DOCUMENTS, "would leave tokens out"),
        (HeldOut(context=32, stride=16, max_tokens=1), DOCUMENTS, "allow at least 2"),
        (HeldOut(context=32, stride=16), ["", "  "], "fewer than two tokens"),
        (HeldOut(context=32, stride=16, joined=True), [], "fewer than two tokens"),
    ],
)
def test_errors_are_sentences(heldout, documents, message):
    with pytest.raises(UserError, match=message):
        run(tiny_model("llama"), heldout, documents)


def test_standard_error_needs_two_units_and_equals_the_formula():
    assert ratio_stderr(np.array([3.0]), np.array([2.0])) is None
    rng = np.random.default_rng(0)
    counts = rng.integers(5, 50, 400).astype(float)
    sums = counts * 2 + rng.normal(size=400) * 3
    resampled = []
    for _ in range(4000):
        pick = rng.integers(0, 400, 400)
        resampled.append(sums[pick].sum() / counts[pick].sum())
    assert ratio_stderr(sums, counts) == pytest.approx(np.std(resampled), rel=0.05)


def test_cancel_stops_between_batches(monkeypatch):
    monkeypatch.setattr(module, "CPU_BATCH_TOKENS", 32)

    class StopsAtOnce(Silent):
        def advance(self, done: int = 1) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        perplexity(tiny_model("llama"), tiny_tokenizer(), HeldOut(context=32, stride=16), DOCUMENTS, StopsAtOnce())
