"""Prompts of one's own: what streams is what is written at once, departures are where a plain loop finds them."""

from dataclasses import replace

import pytest

from prune_core.cut.build import build
from prune_core.cut.preview import planned
from prune_core.evaluate.generate import continuations, new_text
from prune_core.export.folder import export
from prune_core.model.load import load
from prune_core.pipeline import writing
from prune_core.pipeline.house import open_store
from prune_core.pipeline.residents import Residents
from prune_core.pipeline.runner import runner
from prune_core.pipeline.specs import AnyResult, AnySpec, TextSpec
from prune_core.schema.continuations import Texts
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
    spec, store = replace(spec, plan=plan, temperature=temperature), Watched(tmp_path / "home", AnySpec, AnyResult)
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


@pytest.mark.usefixtures("every_token")
def test_a_stopped_job_goes_on_after_the_last_finished_prompt(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "WRITE_EVERY_S", 0.0)
    store = open_store(tmp_path / "home")
    run, run_id = runner(store), jobs.job_id(spec)

    def cancel_late(job: Job) -> None:
        if job.unit == "tokens" and job.done > 3 * NEW:
            jobs.cancel(store, run_id)

    assert jobs.take(store, spec, run_id)
    job = worker.execute(store, run_id, run, cancel_late)
    assert job is not None and job.state == "cancelled"
    so_far = store.partial(run_id)
    assert isinstance(so_far, Texts) and [pair.finished for pair in so_far.pairs] == [True, False]
    assert jobs.take(store, spec, run_id)
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
    with pytest.raises(UserError, match="no longer has a checkpoint"):
        writing.write_texts(store, "text-gone", Residents(), replace(spec, run_id="run-y"), Silent())


def test_a_prompt_beyond_the_context_is_refused_before_anything_is_written(spec, tmp_path):
    long = replace(spec, prompts=("short", "x" * CONTEXT))
    with pytest.raises(UserError, match="shorten the prompt"):
        writing.write_texts(open_store(tmp_path / "home"), "text-x", Residents(), long, Silent())
