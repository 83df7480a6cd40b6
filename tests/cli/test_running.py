"""Runs from the command line: started, resumed, pushed."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.cli import running
from prune_core.pipeline import runner
from prune_core.pipeline.house import open_store
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.fingerprint import fingerprint
from prune_core.store import jobs
from prune_core.store.store import ORIGIN
from tests.cli.commands import output
from tests.fixtures.stored import keep_run, mark, run_spec


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
    assert isinstance(done.exception, UserError) and "has no results" in str(done.exception)


def test_an_interrupted_run_is_gone_on_with_unless_what_it_reads_has_changed(model):
    store, spec = open_store(), run_spec(1)
    mark(store, "run-a", spec, "interrupted")
    assert running._interrupted(spec) == "run-a"
    store.part("run-a", ORIGIN, str, lambda: fingerprint(spec))
    assert running._interrupted(spec) == "run-a"
    (store.folder("run-a") / "parts" / f"{ORIGIN}.json").write_text('"another"')
    assert running._interrupted(spec) == ""


def test_a_recipe_of_somebody_else_runs_no_code_of_its_model_unasked(model, tmp_path):
    spec = run_spec(1)
    spec = replace(spec, model=replace(spec.model, path=model, trust_remote_code=True))
    (tmp_path / "recipe.json").write_text(serial.dumps(spec))
    with pytest.raises(UserError, match="--trust-remote-code"):
        output("run", str(tmp_path / "recipe.json"))
    assert not jobs.ids(open_store(), "run")
