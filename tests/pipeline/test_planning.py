"""Planning as a job and from the command line, on a tiny checkpoint."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.cli.running import read_recipe
from prune_core.methods import METHODS, Method, method_named
from prune_core.methods.laco import LaCo
from prune_core.pipeline.house import open_store
from prune_core.pipeline.runner import runner
from prune_core.pipeline.specs import PlanResult, PlanSpec, PreviewSpec
from prune_core.schema.errors import Cancelled
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.schema.progress import Silent
from prune_core.schema.reports import Preview
from prune_core.store import jobs, worker
from prune_core.store.store import Store
from tests.fixtures.tiny import tiny_model, tiny_tokenizer
from tests.methods.models import parts_gone

LAYERS = 8


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> PlanSpec:
    """A question about a tiny checkpoint on a dozen short texts of many lengths."""
    folder = tmp_path_factory.mktemp("model")
    tiny_model("llama", LAYERS).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    (folder / "words.jsonl").write_text("".join(f'{{"text": "text number {n}{"!" * n}"}}\n' for n in range(12)))
    calibration = Calibration(str(folder / "words.jsonl"), samples=12, seq_len=32)
    return PlanSpec(ModelRef(str(folder), device="cpu"), calibration, method_named("last"), 2)


def plans(spec: PlanSpec, run, store: Store, method: Method, budget: int | None) -> PlanResult:
    asked = PlanSpec(spec.model, spec.calibration, method, budget)
    assert jobs.take(store, asked, "plan-x", again=True)
    job = worker.execute(store, "plan-x", run)
    assert job is not None and job.state == "done", job
    result = store.result("plan-x")
    assert isinstance(result, PlanResult)
    return result


def test_every_method_as_a_job(spec, tmp_path):
    store = open_store(tmp_path)
    run = runner(store)
    for method in METHODS:
        small = {"generations": 2, "offspring": 4, "initial": 4} if method.name == "evopress" else {}
        result = plans(spec, run, store, method(**small).at_budget(), 2)
        parts = 2 if method.name == "llm_drop" else 4
        assert len(parts_gone(result.plan)) == parts and result.plan.method == method.name
        assert bool(result.steps) == (method.needs != "nothing")
        assert bool(result.measured) == (method.needs == "search")


def test_moving_the_threshold_measures_only_what_is_new(spec, tmp_path):
    store = open_store(tmp_path)
    run = runner(store)
    first = plans(spec, run, store, LaCo(threshold=0.9), None)
    moved = plans(spec, run, store, LaCo(threshold=0.5), None)
    back = plans(spec, run, store, LaCo(threshold=0.9), None)
    assert first.measured == len(first.steps) and first.reused == 0
    assert moved.reused > 0 and moved.measured + moved.reused == len(moved.steps)
    assert back.measured == 0 and back.steps == first.steps


def test_what_was_measured_outlives_the_process_that_measured_it(spec, tmp_path):
    store = open_store(tmp_path)
    first = plans(spec, runner(store), store, LaCo(threshold=0.9), None)
    again = plans(spec, runner(store), store, LaCo(threshold=0.9), None)  # another process's runner
    assert first.measured > 0 and again.measured == 0 and again.steps == first.steps
    pruner = method_named("blockpruner")
    stopped = Stops(after=7)
    with pytest.raises(Cancelled):
        runner(store)("plan-x", replace(spec, method=pruner, budget=2), stopped)
    after, anew = plans(spec, runner(store), store, pruner, 2), tmp_path / "anew"
    whole = plans(spec, runner(open_store(anew)), open_store(anew), pruner, 2)
    assert after.steps == whole.steps and 0 < after.measured < whole.measured


class Stops(Silent):
    """The user cancels once so many plans are measured."""

    def __init__(self, after: int) -> None:
        self.left, self.counts = after, False

    def stage(self, name: str, total: int, unit: str = "steps") -> None:
        self.counts = unit == "plans"

    def advance(self, done: int = 1) -> None:
        self.left -= done * self.counts
        if self.left < 0:
            raise Cancelled


def test_a_search_takes_the_texts_that_its_method_asks_for(spec, tmp_path):
    """Its own number, however many the calibration has: the scores are those of that text."""
    store = open_store(tmp_path)
    run = runner(store)
    few = PlanSpec(spec.model, Calibration(spec.calibration.source, samples=3, seq_len=32), LaCo(samples=5), 2)
    assert run("plan-a", few, Silent()).steps == plans(spec, run, store, LaCo(samples=5), 2).steps
    assert run("plan-b", few, Silent()).steps != plans(spec, run, store, LaCo(samples=9), 2).steps


def test_on_the_command_line(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path / "home"))
    given = ["--model", spec.model.path, "--text", spec.calibration.source, "--samples", "12", "--device", "cpu"]
    out = tmp_path / "recipe.json"
    asked = ["plan", "--method", "laco", "--set", "rule=telescoped", "--budget", "3", "--out", str(out), *given]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    assert "merge layer" in shown.output and "plans measured" in shown.output
    recipe = read_recipe(out)
    assert len(recipe.plan.removed) == 3 and recipe.plan.method == "laco"
    assert {edit.rule for edit in recipe.plan.edits} == {"telescoped"}

    listed = CliRunner().invoke(app, ["methods"])
    assert all(method.name in listed.output for method in METHODS)
    assert "preset Llama-2-7B (paper): span=4" in listed.output
    wrong = CliRunner().invoke(app, ["plan", "--method", "magic", "--budget", "1", *given])
    assert "There is no method 'magic'" in str(wrong.exception)


def test_an_edited_text_is_another_text_to_a_model_that_is_loaded(spec, tmp_path):
    """The worker keeps token batches and states with the model; they are of the file's content, not of its name."""
    text = tmp_path / "text.jsonl"
    calibration = Calibration(str(text), samples=12, seq_len=32)
    store, plan = open_store(tmp_path / "home"), drop_plan(LAYERS, (3,))
    resident = runner(store)

    def loss() -> float:
        asked = PreviewSpec(spec.model, calibration, plan)
        job_id = jobs.job_id(asked)
        assert jobs.take(store, asked, job_id)
        job = worker.execute(store, job_id, resident)
        assert job is not None and job.state == "done", job
        seen = store.result(job_id)
        assert isinstance(seen, Preview)
        return seen.loss

    text.write_text("".join(f'{{"text": "text number {n}"}}\n' for n in range(12)))
    first = loss()
    text.write_text("".join(f'{{"text": "{"zq" * (n + 2)}"}}\n' for n in range(12)))
    second = loss()
    assert second != first
    resident = runner(open_store(tmp_path / "fresh"))
    store = open_store(tmp_path / "fresh")
    assert loss() == pytest.approx(second, abs=1e-6)
