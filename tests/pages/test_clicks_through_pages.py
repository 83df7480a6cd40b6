"""A choice on one page is a choice on all: clicks, undo, thresholds and numbers by hand; no worker runs here."""

import pytest

from prune_core.pipeline.specs import PreviewSpec
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.store import jobs
from tests.fixtures.stored import mark
from tests.pages.finished import LAYERS, gesture, page, words


@pytest.mark.usefixtures("store")
def test_a_click_chooses_its_block_and_shows_what_it_costs():
    app = page("redundancy")
    assert "Nothing selected yet" in words(app)
    gesture(app, 9, 13)
    assert "Drop layers 9 to 12 (4 of 16)" in words(app)
    assert app.metric[0].value == "1.600"
    assert app.metric[0].delta == "+0.100 ± 0.010"


@pytest.mark.usefixtures("store")
def test_the_choice_survives_a_new_session_and_undo_takes_it_back():
    gesture(page("redundancy"), 13, 9)
    again = page("plan")
    assert "Drop layers 9 to 12 (4 of 16)" in words(again)
    next(button for button in again.button if button.label == "Undo").click().run()
    assert "Nothing selected yet" in words(again)
    assert "Nothing selected yet" in words(page("redundancy"))


@pytest.mark.usefixtures("store")
def test_clicks_add_up_when_asked_to_and_a_second_click_takes_out():
    app = page("redundancy")
    app.segmented_control(key="click").set_value("adds to the selection").run()
    gesture(app, 9, 13)
    gesture(app, 2, 3)
    assert "Drop layers 2, 9 to 12 (5 of 16)" in words(app)
    gesture(app, 2, 3)
    assert "Drop layers 9 to 12 (4 of 16)" in words(app)


@pytest.mark.usefixtures("store")
def test_a_click_inside_the_choice_replaces_it_and_a_second_click_clears_it():
    app = page("redundancy")
    gesture(app, 9, 13)
    gesture(app, 2, 3)
    gesture(app, 3, 6)
    gesture(app, 9, 13)
    assert "Drop layers 9 to 12 (4 of 16)" in words(app)
    gesture(app, 10, 11)
    assert "Drop layer 10 (1 of 16)" in words(app)
    gesture(app, 10, 11)
    assert "Nothing selected yet" in words(app)


def test_a_cancelled_preview_waits_until_it_is_asked_for_again(store):
    plan = drop_plan(LAYERS, [7])
    spec = PreviewSpec(ModelRef(), Calibration(), plan)
    mark(store, jobs.job_id(spec), spec, "cancelled")
    app = page("redundancy")
    gesture(app, 7, 8)
    assert "was cancelled" in words(app)
    assert any(button.label == "Try again" for button in app.button)
    assert jobs.waiting_ids(store) == []
    assert jobs.worker_pid(store) is None


@pytest.mark.usefixtures("store")
def test_the_threshold_names_what_it_would_choose():
    app = page("redundancy")
    app.toggle(key="threshold_on").set_value(True).run()
    app.slider(key="threshold_cosine").set_value(1.0).run()
    button = next(button for button in app.button if button.label.startswith("Choose layers"))
    assert button.label == "Choose layers 9 to 12"
    button.click().run()
    assert "Drop layers 9 to 12 (4 of 16)" in words(app)


@pytest.mark.usefixtures("store")
def test_all_layers_cannot_be_chosen():
    app = page("redundancy")
    gesture(app, 0, 16)
    assert "Nothing selected yet" in words(app)
    assert any("keep at least one" in toast.value for toast in app.toast)


@pytest.mark.usefixtures("store")
def test_layers_by_hand():
    app = page("plan")
    app.text_input[0].set_value("3-5")
    next(button for button in app.button if button.label == "Apply").click().run()
    assert "Drop layers 3 to 5 (3 of 16)" in words(app)
    app.text_input[0].set_value("five")
    next(button for button in app.button if button.label == "Apply").click().run()
    assert "is not a layer or a range" in app.error[0].value


@pytest.mark.parametrize("name", ["redundancy", "plan", "benchmark", "runs"])
def test_pages_say_what_to_do_before_anything_is_measured(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path))
    app = page(name)
    assert app.info
