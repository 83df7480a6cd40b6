"""Questions on the command line: what may have changed is computed again, and a model is loaded once."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.cli import running
from prune_core.pipeline import residents, runner
from prune_core.pipeline.house import open_store
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.fingerprint import fingerprint
from prune_core.store import jobs
from prune_core.store.store import ORIGIN
from tests.fixtures.stored import keep_run, mark, run_spec
from tests.fixtures.tiny import tiny_model, tiny_tokenizer


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path / "home"))
    tiny_model("llama", 4).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def output(*words: str) -> str:
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_free_memory_is_that_of_now(model, monkeypatch):
    real = runner.inspect
    for free in (7e9, 3e9):
        monkeypatch.setattr(runner, "inspect", lambda ref, free=free: replace(real(ref), free_bytes=int(free)))
        assert f"{free / 1e9:.1f} GB are free" in output("inspect", model, "--device", "cpu")


def test_a_push_is_done_each_time_it_is_asked_for(model, monkeypatch):
    pushed, run_id = [], keep_run(open_store(), 1)
    monkeypatch.setattr(runner, "upload", lambda folder, name, *_: pushed.append(name) or f"hub/{name}")
    for _ in range(2):
        assert output("push", run_id, "me/cut") == "Pushed to hub/me/cut\n"
    assert pushed == ["me/cut"] * 2


def test_an_unfinished_run_is_not_pushed(model):
    store = open_store()
    store.save_spec("run-a", run_spec(1))
    (store.folder("run-a") / "checkpoint").mkdir()
    done = CliRunner().invoke(app, ["push", "run-a", "me/cut"])
    assert isinstance(done.exception, UserError) and "has no figures" in str(done.exception)


def test_an_interrupted_run_is_gone_on_with_unless_what_it_reads_has_changed(model):
    store, spec = open_store(), run_spec(1)
    mark(store, "run-a", spec, "interrupted")
    assert running._interrupted(spec) == "run-a"
    store.part("run-a", ORIGIN, str, lambda: fingerprint(spec))
    assert running._interrupted(spec) == "run-a"
    (store.folder("run-a") / "parts" / f"{ORIGIN}.json").write_text('"another"')
    assert running._interrupted(spec) == ""


def test_a_model_is_loaded_once(model, monkeypatch):
    loaded, load = [], residents.load
    monkeypatch.setattr(residents, "load", lambda *given: loaded.append(1) or load(*given))
    for layer in ("1", "2"):
        output("preview", model, "--device", "cpu", "--drop", layer, "--samples", "4")
    assert len(loaded) == 1


def test_a_recipe_of_somebody_else_runs_no_code_of_its_model_unasked(model, tmp_path):
    spec = run_spec(1)
    spec = replace(spec, model=replace(spec.model, path=model, trust_remote_code=True))
    (tmp_path / "recipe.json").write_text(serial.dumps(spec))
    with pytest.raises(UserError, match="--trust-remote-code"):
        output("run", str(tmp_path / "recipe.json"))
    assert not jobs.ids(open_store(), "run")
