"""The runs page by itself, on stored runs; its figures and its reports."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages._ui.figures.pareto import on_front, pareto
from prune_core.schema.key_figures import key
from prune_core.schema.run import RunSpec
from prune_core.schema.serial import dumps
from prune_core.store import catalogue, jobs, run_lines, spawning, trash
from prune_core.store.catalogue import About
from prune_core.store.disk_full import DiskFull
from prune_core.store.store import Store
from tests.fixtures.stored import keep_run, mark, result, run_spec

ROOT = Path(__file__).parents[3]
THOUSAND_S = 4.0  # 0.3 s when measured; machines are busy


def opened(ticked: tuple[str, ...] = ()) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).switch_page("pages/runs.py")
    app.session_state["runs_chosen"] = ticked
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def said(app: AppTest) -> str:
    return "\n".join(str(each.value) for each in (*app.markdown, *app.caption, *app.info, *app.warning, *app.subheader))


@pytest.mark.usefixtures("three")
def test_figures_are_numbers_and_the_best_comes_first_when_asked():
    app = opened()
    table = app.dataframe[0].value
    assert list(table["Perplexity"]) == [3.01, 4.515, 6.02]
    assert "Perplexity, donor" not in table
    app.toggle(key="runs_donors").set_value(True).run()
    assert list(app.dataframe[0].value["Perplexity, donor"]) == [2.5] * 3
    app.selectbox(key="runs_order").set_value("decode").run()
    assert list(app.dataframe[0].value["Decode speed, tokens/s"]) == [300.0, 225.0, 150.0]


def test_the_model_comes_early_where_there_are_several(store, three):
    assert list(opened().dataframe[0].value)[:4] == ["Plan", "Created", "Method", "State"]
    spec = run_spec(1)
    keep_run(store, 9, replace(spec, model=replace(spec.model, path="owner/other")))
    table = opened().dataframe[0].value
    assert list(table)[:5] == ["Plan", "Model", "Created", "Method", "State"]
    assert list(table["Model"]) == ["owner/other", "demo", "demo", "demo"]


def test_search_and_filters(store, three):
    catalogue.say(store, three[1], About("Second best", ("paper",)))
    app = opened()
    app.text_input(key="runs_text").set_value("second").run()
    assert len(app.dataframe[0].value) == 1
    app.text_input(key="runs_text").set_value("nothing like it").run()
    assert "No runs match" in said(app)
    app.text_input(key="runs_text").set_value("").run()
    app.multiselect(key="runs_tags").set_value(["paper"]).run()
    assert list(app.dataframe[0].value["Name"]) == ["Second best"]


def test_delete_undo_and_trash(store, three):
    app = opened((three[0], three[1]))
    press(app, "Delete 2 runs")
    assert [run.id for run in catalogue.entries(store)] == [three[2]]
    press(app, "Undo")
    assert len(catalogue.entries(store)) == 3
    app = opened((three[0],))
    press(app, "Delete")
    app = opened()  # at any later time
    app.checkbox(key="sure_to_empty").set_value(True).run()
    assert len(trash.deleted(store)) == 1, "a tick alone destroys nothing"
    press(app, "Restore")
    assert len(catalogue.entries(store)) == 3 and not trash.deleted(store)


def test_the_trash_is_emptied_only_after_a_tick(store, three):
    trash.delete(store, three[0])
    app = opened()
    assert next(button for button in app.button if button.label == "Empty the trash").disabled
    app.checkbox(key="sure_to_empty").set_value(True).run()
    press(app, "Empty the trash")
    assert not trash.deleted(store) and len(catalogue.entries(store)) == 2


def test_name_tags_and_notes(store, three):
    app = opened((three[0],))
    name, tags = (next(each for each in app.text_input if each.label == label) for label in ("Name", "Tags"))
    name.set_value("The *one*")
    tags.set_value("a, b")
    press(app, "Save")
    assert catalogue.entry(store, three[0]).about == About("The *one*", ("a", "b"))


def test_two_are_compared_and_nine_are_not(store, three):
    app = opened((three[0], three[1]))
    table = app.dataframe[1].value
    assert "2 runs side by side" in said(app)
    perplexity = table[table["Metric"] == "perplexity ↓"].iloc[0]
    assert perplexity.iloc[2:5].tolist() == ["2.500 ± 0.030", "3.010 ± 0.040 ★", "4.515 ± 0.040"]
    more = tuple(keep_run(store, number) for number in range(10, 16))
    assert "9 runs are selected: compare 2 to 8" in said(opened((*three, *more)))


def test_an_interrupted_run_says_so_and_is_resumed(store, monkeypatch):
    run_id = keep_run(store, 1)
    (store.folder(run_id) / "result.json").unlink()
    mark(store, run_id, run_spec(1), "interrupted", "The worker process was killed.")
    monkeypatch.setattr(spawning, "ensure_worker", lambda home: 0)
    app = opened((run_id,))
    assert "This run is interrupted. The worker process was killed." in said(app)
    press(app, "Resume")
    assert jobs.waiting_ids(store) == [run_id]


def test_run_again_and_change(store, three, monkeypatch):
    monkeypatch.setattr(spawning, "ensure_worker", lambda home: 0)
    app = opened((three[0],))
    press(app, "Run again")
    (again,) = jobs.waiting_ids(store)
    assert store.spec(again) == store.spec(three[0]) and again not in three
    app = opened((three[1],))
    press(app, "Edit and run again")
    now, spec = app.session_state["workspace"], store.spec(three[1])
    assert isinstance(spec, RunSpec)
    assert (now.model, now.calibration, now.evaluation) == (spec.model, spec.calibration, spec.evaluation)
    assert now.chosen[spec.model.path] == spec.plan and now.run_id == three[1]


def test_a_damaged_run_is_told_and_can_be_deleted(store, three):
    (store.folder(three[0]) / "result.json").write_text("{")
    app = opened((three[0],))
    assert "This run is damaged" in said(app) and "restore the file" in said(app)
    assert any(button.label == "Run again" for button in app.button)
    press(app, "Delete")
    assert len(catalogue.entries(store)) == 2


@pytest.mark.usefixtures("three")
def test_quality_against_cost():
    app = opened()
    app.segmented_control(key="runs_view").set_value("Quality against cost").run()
    assert not app.exception and "Pareto front: **A** drop layers 0 to 1" in said(app)
    assert app.selectbox(key="pareto_on").options == ["text, context 256, stride 128; batch 1, median of 7 rounds"]


def test_a_thousand_runs_open_fast(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)  # of making them, which is not the point
        for number in range(1000):
            keep_run(store, number)
    catalogue.entries(store)  # as the worker does at the end of each
    read: list[str] = []
    monkeypatch.setattr(Store, "result", lambda self, run_id: read.append(run_id))
    opened()  # imports
    run_lines.from_text.cache_clear()
    begun = time.perf_counter()
    app = opened()
    seconds = time.perf_counter() - begun
    assert "1,000 of 1,000 runs" in said(app) and not read
    print(f"1,000 runs: {seconds:.2f} s")
    assert seconds < THOUSAND_S


# --- figures ----------------------------------------------------------------------------------------------------------


# --- reports ----------------------------------------------------------------------------------------------------------


def test_what_no_page_foresaw_is_a_sentence_too(store, monkeypatch):
    def full():
        raise DiskFull(store.home)

    monkeypatch.setattr("pages._ui.state.session.workspace", full)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not app.exception and "The disk is full" in app.error[0].value


def test_a_full_disk_when_a_run_is_started(three, store, monkeypatch):
    app = opened((three[0],))

    def full(*_):
        raise DiskFull(Path("x"))

    monkeypatch.setattr(jobs, "submit", full)
    press(app, "Run again")
    assert "The disk is full" in app.toast[0].value


def test_a_recipe_whose_model_brings_code_is_started_only_by_who_trusts_it(store):
    spec = run_spec(1)
    spec = replace(spec, model=replace(spec.model, path="them/theirs", trust_remote_code=True))
    app = opened()
    app.file_uploader[0].upload("recipe.json", dumps(spec).encode(), "application/json").run()
    both = [button for button in app.button if button.label in ("Run it", "Open its plan")]
    assert len(both) == 2 and all(button.disabled for button in both)
    next(box for box in app.checkbox if "trust" in box.label).check().run()
    assert not any(button.disabled for button in app.button if button.label in ("Run it", "Open its plan"))


def test_the_picture_of_quality_against_cost_names_its_front(store, three):
    keep_run(store, 9, measured=result(4.0))
    runs = catalogue.entries(store)
    figure = pareto(runs, key("parameters"), key("perplexity"), [three[1]])
    marks = next(trace for trace in figure.data if (trace.name or "").startswith("Pareto front"))
    assert list(marks.text) == ["A"] and marks.customdata[0][0] == three[0]
    ring = next(trace for trace in figure.data if trace.name == "selected")
    assert [point[0] for point in ring.customdata] == [three[1]]
    assert [run.id for run in on_front(runs, key("decode"), key("perplexity"))][-1] == three[0]
