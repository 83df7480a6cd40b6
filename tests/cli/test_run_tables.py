"""How methods, plans and runs are printed: every figure of both models, every step that was taken."""

from pathlib import Path

import pytest

from prune_core.cli.run_tables import show_comparison, show_methods, show_numbered, show_plan, show_runs
from prune_core.methods import METHODS, method_named, settings_of
from prune_core.methods.base import Step
from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import PlanResult
from prune_core.schema.plan import drop_plan
from prune_core.schema.wording import metric_in_words
from prune_core.store import catalogue
from prune_core.store.run_lines import About
from tests.fixtures.stored import keep_run, result

Printed = pytest.CaptureFixture[str]


def test_a_comparison_has_a_line_for_each_figure_of_the_pruned_model(capsys: Printed) -> None:
    whole = result()
    show_comparison(whole)
    told = capsys.readouterr().out
    lines = told[: told.index("\n\n")].splitlines()
    donors = {(m.name, m.task): m for m in whole.donor.metrics}
    for metric in whole.pruned.metrics:
        (line,) = [each for each in lines if each.startswith(f"{metric.task} {metric.name} ".lstrip())]
        before = metric_in_words(donors[metric.name, metric.task])
        assert line.index(before) < line.rindex(metric_in_words(metric)) and line.endswith(metric.note)
    assert "30 items lost, 6 won of 240" in told and "KL from donor" in told
    assert "donor:  ' upon'" in told and "pruned: ' more'" in told


def test_every_method_is_listed_with_every_setting_and_preset(capsys: Printed) -> None:
    show_methods()
    lines = capsys.readouterr().out.splitlines()
    for method in METHODS:
        (at,) = [n for n, line in enumerate(lines) if line.startswith(f"{method.name}: ")]
        assert method.source in lines[at]
        known = [line for line in lines[at + 1 :] if line.startswith(" ")]
        for setting in settings_of(method):
            assert any(line.startswith(f"    {setting.name}=") and setting.help in line for line in known)
        assert all(any(f"preset {label}:" in line for line in known) for label in method.presets)


def test_a_plan_shows_the_steps_that_were_taken_and_counts_the_others(capsys: Printed) -> None:
    first, second, both = drop_plan(8, (2,)), drop_plan(8, (5,)), drop_plan(8, (2, 5))
    steps = (Step(first, 3.25, True, "best of 8"), Step(second, 3.5, False), Step(both, 3.75, True, "best of 7"))
    show_plan(PlanResult(both, steps, measured=15, reused=1, seconds=95.0), method_named("sleb"))
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == [*method_named("sleb").score.split(), "plan", "note"]
    assert [line.split()[0] for line in lines[:2]] == ["3.2500", "3.7500"] and "best of 7" in lines[1]
    assert lines[2].startswith("2 of 3 plans accepted") and "drop layers 2, 5 (2 of 8)" in lines[3]
    assert lines[4] == "15 plans measured, 1 already known, 1 min 35 s"


def test_runs_are_a_line_each_with_their_figures_and_numbers(tmp_path: Path, capsys: Printed) -> None:
    store = open_store(tmp_path)
    ids = [keep_run(store, number) for number in (1, 2)]
    catalogue.say(store, ids[0], About("mine", ("one", "two")))
    show_runs(catalogue.entries(store))
    newer, older = capsys.readouterr().out.splitlines()
    assert newer.split()[:2] == [ids[1], "done"] and older.split()[:2] == [ids[0], "done"]
    assert "mine: " in older and "#one #two" in older and "mine" not in newer
    assert "perplexity 2.500 -> 3.010 ± 0.040" in older
    show_numbered([("A", catalogue.entry(store, ids[0]))])
    assert capsys.readouterr().out.startswith(f"A {ids[0]}  done  mine: ")
