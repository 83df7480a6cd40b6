"""Prompts of one's own: what streams is what is written at once, departures are where a plain loop finds them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prune_core.cut.build import build
from prune_core.cut.preview import planned
from prune_core.evaluate.departure import first_departure, log_probabilities, scored_tokens
from prune_core.evaluate.generate import continuations, new_text
from prune_core.export.folder import export
from prune_core.model.load import load
from prune_core.pipeline import writing
from prune_core.pipeline.house import open_store
from prune_core.pipeline.residents import Residents
from prune_core.pipeline.runner import runner
from prune_core.pipeline.specs import TextSpec
from prune_core.schema.continuations import Departure, TextPair, Texts, departure_words, mean_kl, same_top_share
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.job import Job
from prune_core.schema.plan import Merge, Plan, drop_plan
from prune_core.schema.progress import Silent
from prune_core.schema.reports import Report
from prune_core.schema.run import RunResult, RunSpec
from prune_core.store import jobs, worker
from prune_core.store.store import Store
from tests.fixtures.tiny import CONTEXT, FAMILIES, tiny_ids, tiny_model, tiny_tokenizer

LAYERS, NEW = 4, 21
PROMPTS = ("Hello there", "What is")


@pytest.fixture
def spec(tmp_path) -> TextSpec:
    tiny_model("llama", LAYERS).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    ref = ModelRef(str(tmp_path / "model"), device="cpu")
    return TextSpec(ref, Calibration(), drop_plan(LAYERS, [2]), PROMPTS, None, NEW, 1.0, 3)


@pytest.fixture
def every_token(monkeypatch):
    monkeypatch.setattr(writing, "SHOW_EVERY_S", -1.0)


class Watched(Store):
    """A store that remembers every partial result."""

    def save_partial(self, run_id, result):
        super().save_partial(run_id, result)
        SEEN.append(self.partial(run_id))


SEEN: list[Texts] = []


def name(tokenizer, token: int) -> str:
    """A token as it is told: the tiny models have more tokens than their tokenizer has words."""
    return tokenizer.decode([token]) or f"<{token}>"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dropped", [[0], [1, 3]])
def test_without_the_cache_a_planned_model_writes_what_its_checkpoint_writes_with_it(family, dropped):
    model, tokenizer, ids = tiny_model(family, LAYERS), tiny_tokenizer(), tiny_ids(1, 6)[0].tolist()
    plan = drop_plan(LAYERS, dropped)
    built = build(model, plan, "cpu")

    def written(which, cached: bool) -> list[int]:
        stream = new_text(which, tokenizer, ids, 1.0, 5, cached)
        return [token for _, token in zip(range(NEW), stream, strict=False)]

    with planned(model, plan):
        by_hooks = written(model, cached=False)
    assert by_hooks == written(built, cached=True)
    assert len(by_hooks) > 8


@pytest.mark.usefixtures("every_token")
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("plan", [drop_plan(LAYERS, [2]), Plan(LAYERS, (Merge(1, (2, 3)),))])
def test_the_streamed_text_is_the_unstreamed_one_and_what_is_kept_is_a_prefix(spec, tmp_path, plan, temperature):
    SEEN.clear()
    spec, store = replace(spec, plan=plan, temperature=temperature), Watched(tmp_path / "home")
    found = writing.write_texts(store, "text-x", Residents(), spec, Silent())
    model = load(spec.model)
    donor = continuations(model.model, model.tokenizer, PROMPTS, NEW, None, temperature, 3)
    built = build(model.model, plan, "cpu")
    pruned = continuations(built, model.tokenizer, PROMPTS, NEW, None, temperature, 3)
    assert [(pair.prompt, pair.donor) for pair in found.pairs] == [(text.prompt, text.text) for text in donor]
    assert [pair.pruned for pair in found.pairs] == [text.text for text in pruned]
    assert all(pair.finished for pair in found.pairs) and not found.cached
    grown = 0
    for partial in SEEN:
        for pair, whole in zip(partial.pairs, found.pairs, strict=False):
            assert whole.donor.startswith(pair.donor) and whole.pruned.startswith(pair.pruned)
            grown += 0 < len(pair.donor) < len(whole.donor)
    assert grown > 5


def test_characters_of_several_tokens_are_given_out_whole():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from prune_core.evaluate.generate import text_so_far

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(sorted(alphabet))}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    by_bytes = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    text = "naïve 日本 🙂 end"
    tokens = by_bytes(text)["input_ids"]
    pieces = [text_so_far(by_bytes, tokens[:2], tokens[2 : 2 + count]) for count in range(len(tokens) - 1)]
    assert all(text[2:].startswith(piece) for piece in pieces)
    assert pieces[-1] == text[2:] and len(set(pieces)) == len(text) - 1


def test_the_departure_is_where_a_plain_loop_finds_it():
    """Greedy: the first token of the donor's text that the pruned model, shown the donor's tokens, would not take."""
    model, tokenizer, ids = tiny_model("llama", 6), tiny_tokenizer(), tiny_ids(1, 5)[0].tolist()
    ours = [token for _, token in zip(range(NEW), new_text(model, tokenizer, ids, 0.0, 0), strict=False)]
    places = set()
    for layer in range(6):
        with planned(model, drop_plan(6, [layer])):
            theirs = [t for _, t in zip(range(NEW), new_text(model, tokenizer, ids, 0.0, 0, False), strict=False)]
            expected = None
            for place, token in enumerate(ours):
                seen = torch.tensor([ids + ours[:place]])
                if int(model(seen, use_cache=False).logits[0, -1].argmax()) != token:
                    expected = place
                    break
        found = first_departure(tokenizer, ids, ours, theirs)
        assert (found.at if found else None) == expected
        if found:
            assert (found.donor, found.pruned) == tuple(name(tokenizer, t[found.at]) for t in (ours, theirs))
        places.add(expected)
    assert len(places) > 1


def test_a_text_that_ends_early_departs_there():
    tokenizer = tiny_tokenizer()
    a, b, c = (tokenizer.convert_tokens_to_ids(letter) for letter in "abc")
    assert first_departure(tokenizer, [a], [b, c], [b]) == Departure(1, "c", "")
    assert first_departure(tokenizer, [a], [], [b]) == Departure(0, "", "b")
    assert first_departure(tokenizer, [a], [b, c], [b, c]) is None
    assert (
        departure_words(TextPair("", departure=Departure(1, "c", ""))) == "departs at token 2: donor 'c', pruned ends"
    )
    assert departure_words(TextPair("")) == "writes the donor's text, token for token (0 tokens)"


def test_tokens_are_scored_by_both_models_as_one_by_one():
    model, other, tokenizer = tiny_model("llama", 3), tiny_model("llama", 3, seed=1), tiny_tokenizer()
    ids, written = tiny_ids(1, 5)[0].tolist(), tiny_ids(1, 7, seed=2)[0].tolist()
    scored = scored_tokens(
        tokenizer, ids, written, *(log_probabilities(which, ids, written) for which in (model, other))
    )
    assert len(scored) == len(written)
    for place, token in enumerate(scored):
        seen = torch.tensor([ids + written[:place]])
        p, q = (which(seen).logits[0, -1].double().softmax(-1) for which in (model, other))
        assert token.donor == pytest.approx(float(p[written[place]]), rel=1e-4)
        assert token.pruned == pytest.approx(float(q[written[place]]), rel=1e-4)
        assert token.kl == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-3, abs=1e-6)
        assert token.agrees == (int(p.argmax()) == int(q.argmax()))
        assert token.text == name(tokenizer, written[place])
        assert token.donor_top == name(tokenizer, int(p.argmax()))
    pair = TextPair("", tokens=scored)
    assert same_top_share(pair) == np.mean([token.agrees for token in scored])
    assert mean_kl(pair) == pytest.approx(np.mean([token.kl for token in scored]))
    assert scored_tokens(tokenizer, ids, [], *(log_probabilities(model, ids, []),) * 2) == ()


@pytest.mark.usefixtures("every_token")
def test_a_stopped_job_goes_on_after_the_last_finished_prompt(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "WRITE_EVERY_S", 0.0)
    store = open_store(tmp_path / "home")
    run, run_id = runner(store), jobs.job_id(spec)

    def cancel_late(job: Job) -> None:
        if job.unit == "tokens" and job.done > 3 * NEW:
            (store.folder(run_id) / "cancel").touch()

    store.save_spec(run_id, spec)
    job = worker.execute(store, run_id, run, cancel_late)
    assert job is not None and job.state == "cancelled"
    so_far = store.partial(run_id)
    assert isinstance(so_far, Texts) and [pair.finished for pair in so_far.pairs] == [True, False]
    (store.folder(run_id) / "cancel").unlink()
    totals: list[int] = []
    job = worker.execute(store, run_id, run, lambda job: totals.append(job.total if job.unit == "tokens" else 0))
    assert job is not None and job.state == "done" and max(totals) == 2 * NEW
    found = store.result(run_id)
    assert isinstance(found, Texts) and found.pairs[0] == so_far.pairs[0] and found.pairs[1].finished


def test_the_checkpoint_of_a_run_writes_the_same_with_its_cache(spec, tmp_path):
    store, donor = open_store(tmp_path / "home"), load(spec.model)
    by_hooks = writing.write_texts(store, "text-hooks", Residents(), spec, Silent())
    run = RunSpec(spec.model, spec.calibration, spec.plan, Evaluation())
    export(build(donor.model, spec.plan, "cpu"), donor.tokenizer, store.folder("run-x") / "checkpoint", run)
    store.save_result("run-x", RunResult(Report("", 4, (), ()), Report("", 3, (), ()), "checkpoint", {}, 0.0))
    built = writing.write_texts(store, "text-built", Residents(), replace(spec, run_id="run-x"), Silent())
    assert built.cached
    assert [pair.pruned for pair in built.pairs] == [pair.pruned for pair in by_hooks.pairs]
    assert [pair.departure for pair in built.pairs] == [pair.departure for pair in by_hooks.pairs]
    with pytest.raises(UserError, match="has no checkpoint any more"):
        writing.write_texts(store, "text-gone", Residents(), replace(spec, run_id="run-y"), Silent())


def test_a_prompt_beyond_the_context_is_refused_before_anything_is_written(spec, tmp_path):
    long = replace(spec, prompts=("short", "x" * CONTEXT))
    with pytest.raises(UserError, match="shorten the prompt"):
        writing.write_texts(open_store(tmp_path / "home"), "text-x", Residents(), long, Silent())
