"""Every page says which model and text it is about, and what is not of them."""

from dataclasses import replace

from streamlit.testing.v1 import AppTest

from pages._ui.shared.model_and_text import of_the_demo
from pages._ui.state.session import Workspace
from prune_core.pipeline.specs import InspectSpec, MeasureSpec
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, HeldOut, ModelInfo, ModelRef
from prune_core.schema.serial import dumps
from prune_core.store import jobs
from prune_core.store.catalogue import About, say
from prune_core.store.files import write_text
from tests.fixtures.stored import keep_run, run_spec
from tests.pages.finished import LAYERS, ROOT, keep, maps, page, words

MINE = ModelRef("owner/mine_2")
INFO = ModelInfo(ModelRef(), "llama", LAYERS, 64, 256, 512, 10**6, 4 * 10**6, "float32", "float32", "cpu", 10**9)


def session(store, **choices) -> None:
    write_text(store.home / "workspaces" / "abcd.json", dumps(Workspace(**choices)))


def warnings(app) -> str:
    return "\n".join(element.value for element in app.warning)


def first_line() -> str:
    """What stands above the page that app.py opens first."""
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not app.exception
    return app.caption[0].value


def test_a_line_above_the_page_names_the_model_and_the_text(store, monkeypatch):
    monkeypatch.setattr("prune_core.store.jobs.submit", lambda store, spec: jobs.job_id(spec))
    keep(store, InspectSpec(ModelRef()), INFO)
    assert first_line() == (
        "LayerScope · demo model (16 layers) · demo text, "
        "64 of 64 texts of up to 128 tokens\\: 8,000 tokens of the 8,192 asked for"
    )
    keep(store, InspectSpec(MINE), INFO)  # its name is not taken for Markdown, and it is not measured yet
    session(store, model=MINE, calibration=Calibration("owner/data", samples=8))
    assert first_line() == r"LayerScope · owner/mine\_2 · owner/data, 8 pieces of 128 tokens"


def test_a_run_of_another_model_says_so(store):
    keep(store, MeasureSpec(MINE, Calibration()), maps())
    run_id = keep_run(store, 1)
    session(store, model=MINE, run_id=run_id)
    app = page("benchmark")
    assert r"This run is of a different model, demo model. The current model is owner/mine\_2." in warnings(app)
    assert "created 2026-01-01 00:00:01" in words(app)
    say(store, run_id, About("My run"))
    assert "My run" in [heading.value for heading in app.run().subheader]


def test_a_run_of_another_text_says_so_and_one_of_the_same_says_nothing(store):
    session(store, run_id=keep_run(store, 1))
    assert not page("benchmark").warning
    other = replace(run_spec(2), calibration=Calibration(samples=8))
    session(store, run_id=keep_run(store, 2, other))
    assert "This run used a different text, demo text, 8 texts" in warnings(page("benchmark"))


def test_the_demos_tasks_on_another_model_are_warned_of(store):
    keep(store, MeasureSpec(MINE, Calibration()), maps())
    session(store, model=MINE)
    app = page("benchmark")
    assert "These are the demo's text, tasks and prompts: choose your own below." in warnings(app)
    app.text_area(key="prompts").set_value("Once").run()
    assert "These are the demo's text and tasks: choose your own below." in warnings(app)


def test_what_is_the_demos():
    assert of_the_demo(ModelRef(), Evaluation()) == ""
    own = Evaluation(HeldOut("mine.txt"), tasks=("arc_easy",), prompts=("Once",))
    assert of_the_demo(MINE, own) == ""
    assert of_the_demo(MINE, replace(own, tasks=("demo_sums",))) == "tasks"
