"""Methods compared on the command line, on a tiny checkpoint: the figures are those of each method's own jobs."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.cli import comparing
from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import PreviewSpec
from prune_core.schema.inputs import HeldOut
from prune_core.schema.reports import Preview
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.wording import seconds_in_words
from prune_core.store import jobs
from prune_core.store.store import Store
from tests.fixtures.stored import keep_run
from tests.fixtures.tiny import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("model")
    tiny_model("llama", 6).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    (folder / "words.jsonl").write_text("".join(f'{{"text": "text number {n}{"!" * n}"}}\n' for n in range(8)))
    text = ["--text", str(folder / "words.jsonl"), "--samples", "8", "--seq-len", "32"]
    tasks = ["--tasks", "demo_facts,demo_agreement", "--limit", "3"]
    return ["compare", "--budget", "2", "--model", str(folder), "--device", "cpu", *text, *tasks]


def test_a_table_of_methods(given, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path / "home"))
    out = tmp_path / "table.md"
    monkeypatch.setattr(comparing, "LIGHT", replace(comparing.LIGHT, heldout=HeldOut(max_tokens=512)))
    asked = [*given, "--methods", "last, llm_drop,shortened_taylor,shortgpt", "--out", str(out)]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == out.read_text()
    rows = [re.split(r" *\| *", line)[1:-1] for line in shown.stdout.splitlines() if line.startswith("|")]
    heads, _, donor, chance, *methods = rows
    assert heads == ["", "What it cuts", "Loss", "Change", "demo_facts", "demo_agreement", "Choosing", "Building"]
    assert donor[:2] == ["donor", "nothing"] and chance[4:6] == ["25.0%", "50.0%"]
    assert {row[0] for row in methods} == {"Last layers", "LLM-Drop", "ShortGPT (Block Influence)"}
    assert "Left out: Shortened LLaMA (Taylor+)." in shown.output
    assert "LLM-Drop: dropped parts stay as zeros" in shown.output
    assert [float(row[2]) for row in methods] == sorted(float(row[2]) for row in methods)

    store = open_store(tmp_path / "home")
    last = next(row for row in methods if row[0] == "Last layers")
    assert last[1] == "drop layers 4 to 5 (2 of 6)"
    (seen,) = (store.result(name) for name in jobs.ids(store, "preview") if chosen_by(store, name) == "last")
    (run,) = (store.result(name) for name in jobs.ids(store, "run") if chosen_by(store, name) == "last")
    assert isinstance(seen, Preview) and isinstance(run, RunResult) and run.build_seconds is not None
    assert last[3] == f"{seen.loss - seen.donor_loss:+.3f} ± {seen.delta_stderr:.3f}"
    accuracies = [metric for metric in run.pruned.metrics if metric.name == "acc"]
    assert [cell.split("%")[0] for cell in last[4:6]] == [f"{100 * metric.value:.1f}" for metric in accuracies]
    assert last[7] == seconds_in_words(run.build_seconds)

    again = CliRunner().invoke(app, [*given, "--methods", "last,llm_drop,shortgpt"])
    assert again.exit_code == 0 and len(jobs.ids(store, "run")) == 3, "a run of the same recipe is taken again"


def test_damaged_runs_do_not_matter_and_runs_of_a_model_since_changed_are_not_taken(given, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path))
    store = open_store(tmp_path)
    damaged = keep_run(store, 1)
    (store.folder(damaged) / "spec.json").write_text("{")
    shown = CliRunner().invoke(app, [*given, "--methods", "last"])
    assert "| Last layers |" in shown.output, shown.output
    weights = Path(given[given.index("--model") + 1]) / "model.safetensors"
    weights.write_bytes(weights.read_bytes())  # a new time, for all that is known another content
    assert CliRunner().invoke(app, [*given, "--methods", "last"]).exit_code == 0
    assert len(jobs.ids(store, "run")) == 3, "the damaged one, and one for each model"


def chosen_by(store: Store, name: str) -> str:
    spec = store.spec(name)
    assert isinstance(spec, (PreviewSpec, RunSpec))
    return spec.plan.method


def test_no_method_at_all_is_an_error_with_its_reason(given, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path))
    asked = [*given, "--methods", "last", "--out", str(tmp_path / "table.md")]
    asked[asked.index("--budget") + 1] = "99"
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code != 0
    assert re.search("No method produced a plan.*Left out: Last layers.*99", str(shown.exception))
    assert not (tmp_path / "table.md").exists()


def test_a_recipe_checks_its_files_of_tasks_and_says_when_nothing_is_cut(given, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path))
    model, out, items = given[given.index("--model") + 1], str(tmp_path / "recipe.json"), tmp_path / "items.jsonl"

    def asked(*more: str):
        return CliRunner().invoke(app, ["recipe", out, "--model", model, "--device", "cpu", *more])

    assert "cannot be read" in str(asked("--tasks", str(items)).exception)
    items.write_text('{"query": "q", "choices": ["a"], "gold": 0}\n')
    assert "Line 1 of items.jsonl has choices" in str(asked("--tasks", str(items)).exception)
    assert "--task-folder" in str(asked("--tasks", "mine.yaml").exception)
    assert "does not exist" in str(asked("--task-folder", str(tmp_path / "none")).exception)
    assert not Path(out).exists()
    items.write_text('{"query": "q", "choices": ["a", "b"], "gold": 0}\n')
    beside = asked("--tasks", "items.jsonl,demo_facts", "--task-folder", str(tmp_path))
    assert beside.exit_code == 0 and "keep all 6 layers (add --drop to cut some)." in beside.output
    assert "add --drop" not in asked("--drop", "2").output


def test_a_method_that_is_not_there_is_refused(given, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path))
    shown = CliRunner().invoke(app, [*given, "--methods", "magic"])
    assert "There is no method 'magic'" in str(shown.exception)
