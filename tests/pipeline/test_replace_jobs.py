"""Replacements as jobs: fitted once, kept, previewed, built into a checkpoint, and repeated by the recipe."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.cli.running import read_recipe
from prune_core.cut.replacements.fitted_file import REPLACEMENT
from prune_core.model.stack import find_stack
from prune_core.pipeline.house import open_store
from prune_core.pipeline.runner import runner
from prune_core.pipeline.specs import PreviewSpec, ReplaceResult, ReplaceSpec
from prune_core.schema.evaluation import Evaluation, SpeedSettings
from prune_core.schema.fit import Fit
from prune_core.schema.inputs import Calibration, HeldOut, ModelRef
from prune_core.schema.job import Job
from prune_core.schema.plan import Block, Drop, Plan, Replace
from prune_core.schema.reports import Preview
from prune_core.schema.run import RunResult, RunSpec
from prune_core.store import jobs, worker
from prune_core.store.store import Store
from tests.fixtures.small_run import LAYERS, model_and_text

TRAINED = Replace(Block(2, 4), "layer", Fit(steps=12, batch=4, first_rate=3e-3, last_rate=1e-3))
FOLDED = Replace(Block(2, 4), "linear", Fit(ridge=1e-2))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a tiny model and a text."""
    model_and_text(tmp_path, 24)
    return tmp_path


def asked(here: Path) -> tuple[ModelRef, Calibration, Evaluation]:
    text = str(here / "text.txt")
    speed = SpeedSettings(prompt_tokens=4, new_tokens=2, warmup=0, repeats=2)
    evaluation = Evaluation(HeldOut(text, context=32, stride=16), (), None, None, speed, ("a",), 4)
    return ModelRef(str(here / "model"), device="cpu"), Calibration(text, samples=16, seq_len=32), evaluation


def done(store: Store, run_id: str, spec: ReplaceSpec | PreviewSpec | RunSpec) -> object:
    """The result of a job that is run here."""
    assert jobs.take(store, spec, run_id, again=True)
    job = worker.execute(store, run_id, runner(store))
    assert isinstance(job, Job) and job.state == "done", job
    return store.result(run_id)


def test_fitted_once_then_previewed_and_built(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, (model, text, evaluation) = open_store(here / "home"), asked(here)
    plan = Plan(LAYERS, (TRAINED, Drop((0,))), "by hand")
    result = done(store, "replace-a", ReplaceSpec(model, text, plan))
    assert isinstance(result, ReplaceResult) and result.preview is not None
    curve = result.curves["2-4"]
    assert curve.shape[1] == 3 and curve[0, 0] == 0 and curve[-1, 0] == 12
    monkeypatch.setattr("prune_core.pipeline.planning.fit_plan", None)  # nothing is fitted again from here on
    seen = done(store, "preview-a", PreviewSpec(model, text, plan))
    assert isinstance(seen, Preview) and seen.loss == result.preview.loss
    ran = done(store, "run-a", RunSpec(model, text, plan, evaluation))
    assert isinstance(ran, RunResult)
    weights = load_file(store.folder("run-a") / REPLACEMENT)
    built = AutoModelForCausalLM.from_pretrained(store.folder("run-a") / ran.checkpoint)
    assert built.config.num_hidden_layers == 3
    layer = dict(find_stack(built).layers[1].named_parameters())
    for name, tensor in weights.items():
        if name.startswith("2-4.layer."):
            assert torch.equal(layer[name.removeprefix("2-4.layer.")], tensor)


def test_the_recipe_repeats_it_elsewhere(here: Path) -> None:
    model, text, evaluation = asked(here)
    spec = RunSpec(model, text, Plan(LAYERS, (FOLDED,)), evaluation)
    one, other = open_store(here / "one"), open_store(here / "other")
    done(one, "run-a", spec)
    done(other, "run-b", read_recipe(one.folder("run-a") / "checkpoint" / "recipe.json"))
    first, second = (load_file(s.folder(r) / REPLACEMENT) for s, r in ((one, "run-a"), (other, "run-b")))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_what_no_checkpoint_can_hold_fails_in_a_sentence(here: Path) -> None:
    store, (model, text, evaluation) = open_store(here / "home"), asked(here)
    plan = Plan(LAYERS, (Replace(Block(2, 4), "linearpatch"),))
    assert jobs.take(store, RunSpec(model, text, plan, evaluation), "run-a")
    job = worker.execute(store, "run-a", runner(store))
    assert job is not None and job.state == "failed"
    assert (job.error or "").startswith("A checkpoint cannot hold 'linearpatch'")


def test_recipes_from_the_command_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_HOME", str(here / "home"))
    out = here / "recipe.json"
    arguments = [
        "recipe",
        str(out),
        "--model",
        str(here / "model"),
        "--replace",
        "2-3",
        "--by",
        "linear",
        "--drop",
        "0",
    ]
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 0 and "drop layer 0, replace layers 2 to 3 with a linear map (3 of 5)" in told.output
    assert read_recipe(out).plan == Plan(LAYERS, (Drop((0,)), Replace(Block(2, 4), "linear")))
