"""The plan page: methods compared, replacements with their curves; no worker runs here unless a test says so."""

import time
from dataclasses import replace

import numpy as np
import pytest

from pages._ui.plan.method_table import shared_layers
from pages._ui.shared.fit_view import gave_way
from pages._ui.state.session import Workspace
from prune_core.methods import METHODS, Measured, method_named
from prune_core.pipeline.specs import PlanSpec, PreviewSpec, ReplaceResult, ReplaceSpec
from prune_core.schema.fit import Fit
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.job import Job
from prune_core.schema.measures import blocks_passing
from prune_core.schema.plan import Block, Drop, DropPart, Merge, Plan, Replace, drop_plan
from prune_core.schema.reports import Preview
from prune_core.schema.serial import dumps
from prune_core.schema.wording import describe
from prune_core.store import jobs
from prune_core.store.files import write_text
from tests.fixtures.stored import mark
from tests.pages.finished import LAYERS, keep, maps, page, words
from tests.pages.synthetic import CURVE, synthetic

NOW = ModelRef(), Calibration()


def choose(store, plan: Plan) -> None:
    """The next session starts with this plan."""
    write_text(store.home / "workspaces" / "abcd.json", dumps(Workspace(chosen={"demo": plan})))


def keep_preview(store, plan: Plan, loss: float) -> None:
    keep(store, PreviewSpec(*NOW, plan), Preview(plan, 1.5, loss, 0.01, 8000, 0.4))


def stopped(store, spec, state: str, error: str | None = None) -> None:
    mark(store, jobs.job_id(spec), spec, state, error)


def pressed(app, label: str) -> None:
    next(button for button in app.button if button.label.startswith(label)).click().run()
    assert not app.exception


# --- methods compared -----------------------------------------------------------------------------------------------


def test_methods_are_compared_by_loss_and_a_stopped_one_says_why_and_can_be_tried_again(store):
    short, deepest, laco = (method_named(name).at_budget() for name in ("shortgpt", "deepest", "laco"))
    keep_preview(store, short.plan(Measured(LAYERS, maps()), 4), 1.9)
    keep_preview(store, deepest.plan(Measured(LAYERS, maps()), 4), 1.7)
    search = PlanSpec(*NOW, laco, 4)
    stopped(store, search, "failed", "Memory ran out.")
    app = page("plan")
    app.multiselect(key="compared").set_value(["shortgpt", "deepest", "laco"]).run()
    pressed(app, "Compare these methods")
    table = app.dataframe[0].value
    assert list(table["Method"]) == [deepest.label, short.label, laco.label]
    assert list(table["Loss"][:2]) == [1.7, 1.9]
    assert table["Status"][2] == "search: Memory ran out."
    assert "Removed by all 2: layers 11 to 12; by 1: layers 9 to 10, 13 to 14." in words(app)
    assert jobs.waiting_ids(store) == [] and jobs.worker_pid(store) is None
    pressed(app, "Try again")
    try:
        assert jobs.status(store, jobs.job_id(search)).state in ("queued", "running")
    finally:
        jobs.stop_worker(store)


def test_the_layers_that_methods_share():
    plans = {"a": drop_plan(8, [2, 3]), "b": drop_plan(8, [3, 4]), "c": drop_plan(8, [3, 6])}
    assert shared_layers(plans) == "Removed by all 3: layer 3; by 1: layers 2, 4, 6."
    assert shared_layers({"a": drop_plan(8, [2])}) == "Removed by 1: layer 2."
    halves = shared_layers(plans | {"d": Plan(8, (DropPart("attention", (5,)),))})
    assert "by 1: layers 2, 4, 6. This counts whole layers" in halves and "counts as half" in halves


@pytest.mark.usefixtures("store")
def test_a_method_starts_with_a_budget_of_what_it_removes():
    app = page("plan")
    app.selectbox(key="method").set_value("laco").run()
    assert app.slider(key="budget").label == "Layers to remove" and app.text_input(key="laco_threshold_at_budget")
    app.checkbox(key="laco_free").check().run()
    assert app.text_input(key="laco_threshold").value == "0.65"
    app.selectbox(key="method").set_value("llm_drop").run()
    assert app.slider(key="budget").label == "Attention modules to remove"
    app.selectbox(key="llm_drop_part").set_value("mlp").run()
    assert app.slider(key="budget").label == "MLPs to remove"


@pytest.mark.parametrize("method", [method for method in METHODS if method.needs == "similarity"])
def test_a_slider_plans_again_at_once_on_80_layers(method):
    """Bound: 0.1 s of one core, several times what it takes, for every budget."""
    evidence = Measured(80, synthetic(81))
    for budget in (1, 20, 60):
        begun = time.process_time()
        plan = method().plan(evidence, budget)
        assert time.process_time() - begun < 0.1
        assert len(plan.removed) == budget


def test_a_threshold_outlines_again_at_once_on_80_layers():
    values = synthetic(81).values["cosine"]
    for threshold in (0.1, 0.5, 0.9):
        begun = time.process_time()
        blocks_passing("cosine", values, threshold)
        assert time.process_time() - begun < 0.1


def test_a_merge_plan_can_be_edited_by_hand_and_taken_back(store):
    merged = Plan(LAYERS, (Merge(8, (9, 10)),), "laco")
    keep_preview(store, merged, 1.8)
    keep_preview(store, drop_plan(LAYERS, [9, 10]), 1.6)
    choose(store, merged)
    app = page("plan")
    assert "Merge layers 9 to 10 into layer 8" in words(app)
    assert "discards the plan's other edits" in words(app)
    pressed(app, "Apply")
    assert "Drop layers 9 to 10 (2 of 16)" in words(app)
    pressed(app, "Undo")
    assert "Merge layers 9 to 10 into layer 8" in words(app)


# --- replacements ---------------------------------------------------------------------------------------------------


def trained_plan(steps: int = 20) -> Plan:
    return Plan(LAYERS, (Replace(Block(9, 13), "layer", Fit(steps=steps)),))


def test_training_waits_until_it_is_asked_for(store):
    choose(store, trained_plan())
    app = page("plan")
    assert any(button.label == "Train the network and measure the loss" for button in app.button)
    assert jobs.waiting_ids(store) == [] and jobs.worker_pid(store) is None


def test_a_trained_replacement_shows_its_loss_and_its_curve(store):
    plan = trained_plan()
    result = ReplaceResult(plan, {"9-13": CURVE}, Preview(plan, 1.5, 1.62, 0.01, 8000, 0.4), 9.0)
    keep(store, ReplaceSpec(*NOW, plan), result)
    choose(store, plan)
    app = page("plan")
    assert app.metric[0].value == "1.620"
    assert "1 is as bad as dropping it" in words(app)
    assert not any(button.label.startswith("Train the network") for button in app.button)


def test_a_map_that_lost_to_the_plain_cut_says_so(store):
    plan = Plan(LAYERS, (Replace(Block(9, 13), "linear"), Replace(Block(3, 4), "linear")))
    lost, won = (
        np.array([[np.inf, np.nan, 1.5], [10, np.nan, 1.6]]),
        np.array([[np.inf, np.nan, 1.5], [10, np.nan, 1.4]]),
    )
    result = ReplaceResult(plan, {"9-13": lost, "3-4": won}, Preview(plan, 1.5, 1.62, 0.01, 8000, 0.4), 9.0)
    keep(store, ReplaceSpec(*NOW, plan), result)
    choose(store, plan)
    assert "No linear map beat the plain cut, so layers 9 to 12 are simply dropped." in words(page("plan"))
    assert gave_way(plan, replace(result, curves={"3-4": won})) == ""


def test_a_cancelled_training_can_be_tried_again(store):
    stopped(store, ReplaceSpec(*NOW, trained_plan()), "cancelled")
    choose(store, trained_plan())
    app = page("plan")
    assert "Fitting the replacement was cancelled" in words(app)
    assert any(button.label == "Try again" for button in app.button)


def test_a_job_that_ends_while_the_page_is_drawn_is_shown_at_once(store, monkeypatch):
    """The page finds the job running; by the time its panel is drawn the result is there."""
    result = ReplaceResult(trained_plan(), {"9-13": CURVE}, Preview(trained_plan(), 1.5, 1.62, 0.01, 8000, 0.4), 9.0)
    spec = ReplaceSpec(*NOW, trained_plan())
    keep(store, spec, result)
    choose(store, trained_plan())
    looks, status = [], jobs.status

    def late(kept, job_id):
        looks.append(job_id)
        first = job_id == jobs.job_id(spec) and looks.count(job_id) == 1
        return Job(job_id, spec.kind, "running") if first else status(kept, job_id)

    monkeypatch.setattr("prune_core.store.jobs.status", late)
    assert page("plan").metric[0].value == "1.620"


def test_layers_and_parts_are_typed_and_shown_again(store):
    wanted = Plan(LAYERS, (Drop((2, 9)), DropPart("attention", (5, 6)), DropPart("mlp", (7,))))
    keep_preview(store, wanted, 1.7)
    app = page("plan")
    for label, text in (("Layers to drop", "2, 9"), ("Attention to drop", "5-6"), ("MLPs to drop", "7")):
        next(box for box in app.text_input if box.label == label).set_value(text)
    next(button for button in app.button if button.label == "Apply").click().run()
    assert not app.exception
    assert describe(wanted).removeprefix("drop") in words(app)
    shown = {box.label: box.value for box in app.text_input}
    assert (shown["Attention to drop"], shown["MLPs to drop"]) == ("5 to 6", "7")
    next(box for box in app.text_input if box.label == "MLPs to drop").set_value("9")
    next(button for button in app.button if button.label == "Apply").click().run()
    assert any("9" in error.value for error in app.error)
