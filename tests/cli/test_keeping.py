"""`python -m prune_core runs`: what the page does, from the command line."""

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prune_core.cli import keeping, run_tables
from prune_core.export.recipes import read_recipe
from prune_core.pipeline.house import open_store
from prune_core.schema.errors import UserError
from prune_core.store import catalogue
from prune_core.store.store import Store
from tests.fixtures.stored import keep_run, result, run_spec


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path))
    return open_store(tmp_path)


@pytest.fixture
def two(store: Store) -> list[str]:
    return [keep_run(store, 1), keep_run(store, 2, measured=result(2.0))]


def runs(*words: str) -> str:
    done = CliRunner().invoke(keeping.app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(*words: str) -> str:
    done = CliRunner().invoke(keeping.app, words)
    assert isinstance(done.exception, UserError), done.output
    return str(done.exception)


def test_list_and_filter(two):
    lines = runs().splitlines()
    assert [line.split()[0] for line in lines] == two[::-1]
    assert "perplexity 2.500 -> 3.010 ± 0.040" in lines[1] and "drop layers 1 to 2" in lines[1]
    assert runs("--filter", "0001").splitlines() == lines[1:]
    assert runs("--state", "failed") == ""


def test_name_tag_and_note(store, two):
    runs("rename", two[0], "Best")
    runs("tag", *two, "--add", "paper", "--add", "old")
    runs("tag", two[0], "--remove", "old")
    runs("note", two[0], "for table 2")
    assert "Best: demo" in runs("--tag", "paper", "--filter", "best")
    about = catalogue.entry(store, two[0]).about
    assert (about.name, about.tags, about.notes) == ("Best", ("paper",), "for table 2")
    shown = runs("show", two[0])
    assert "for table 2" in shown and "3.010 ± 0.040" in shown


def test_on_a_terminal_long_notes_stand_below_the_table(two, monkeypatch):
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, found = Screen(), result()
    notes = dict.fromkeys(metric.note for metric in found.pruned.metrics if metric.note)
    assert notes
    piped = runs("show", two[0])
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "200")
    run_tables.show_comparison(found)
    for number, note in enumerate(notes, start=1):
        assert f"[{number}]  {note}" in screen.getvalue() and screen.getvalue().count(f"[{number}]") >= 2
        assert note in piped and f"[{number}]" not in piped


def test_delete_restore_and_empty(two):
    assert "restore" in runs("delete", two[0])
    assert two[0] in runs("restore") and two[0] not in runs()
    runs("restore", two[0])
    assert two[0] in runs()
    runs("delete", *two)
    assert "holds 2 runs. Add --yes" in runs("empty-trash")
    assert "Permanently deleted 2 runs" in runs("empty-trash", "--yes")
    assert runs().startswith("No runs in ") and runs("restore") == ""


def test_compare(two, tmp_path):
    out = tmp_path / "table.csv"
    shown = runs("compare", *two, "--csv", str(out))
    assert "3.010 ± 0.040 ★" in shown and f"[2] {two[1]}" in shown
    assert out.read_text().splitlines()[0].startswith("metric,on,unit,better,donor")
    assert "1 run selected for comparison" in refused("compare", two[0])


def test_export(two, tmp_path):
    table, recipe = tmp_path / "runs.csv", tmp_path / "recipe.json"
    runs("export", two[0], "--csv", str(table), "--recipe", str(recipe))
    assert len(table.read_text().splitlines()) == 2 and read_recipe(recipe) == run_spec(1)
    runs("export", "--csv", str(table))
    assert len(table.read_text().splitlines()) == 3
    assert "give one id" in refused("export", "--recipe", str(recipe))
    assert "Nothing to write" in refused("export", two[0])


def test_what_is_wrong_is_one_sentence(store, two):
    assert "There is no run" in refused("show", "run-none")
    assert "There is no run" in refused("delete", "../runs")
    (store.folder(two[0]) / "result.json").write_text(json.dumps({"type": "Report"}))
    assert "restore the file" in refused("show", two[0])
