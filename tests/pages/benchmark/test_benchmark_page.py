"""The benchmark page's sections, fed from a store that holds finished answers, and their figures."""

from streamlit.testing.v1 import AppTest

from pages._ui.state.session import Workspace
from prune_core.pipeline.specs import SkillMapSpec, TextSpec
from prune_core.schema.continuations import Texts
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.schema.skill_map import SkillMap
from prune_core.store import jobs
from prune_core.store.store import Store
from tests.fixtures.stored import mark
from tests.pages.finished import LAYERS, ROOT, keep, words
from tests.pages.synthetic import PAIR, skills


def section(name: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).switch_page("pages/benchmark.py")
    app.session_state["section"] = name
    app.run()
    assert not app.exception
    return app


def kept_map(store: Store, found: SkillMap, state: str = "done", **settings) -> SkillMapSpec:
    spec = SkillMapSpec(ModelRef(), **settings)
    keep(store, spec, found)
    mark(store, jobs.job_id(spec), spec, state)
    return spec


def test_the_map_is_shown_again_with_what_it_says(store):
    kept_map(store, skills(), limit=40)
    app = section("Where it hurts")
    said = words(app)
    assert "Needed for every skill: layer 0." in said
    assert "Needed for sums: layer 3." in said
    assert "each of layers 1 to 2, 4 to 15 costs no skill a loss detectable with 40 items" in said
    assert app.number_input(key="skill_limit").value == 40  # the settings of the last map
    assert len(app.get("plotly_chart")) == 1
    assert not any(button.label == "Measure where it hurts" for button in app.button)


def test_a_stopped_map_is_shown_as_far_as_it_is_and_goes_on(store):
    spec = kept_map(store, skills(), "cancelled")
    store.folder(jobs.job_id(spec)).joinpath("result.json").unlink()
    store.save_partial(jobs.job_id(spec), skills(measured=5))
    app = section("Where it hurts")
    assert "5 of 16 measured" in words(app)
    assert any(button.label == "Resume measuring" for button in app.button)


def test_one_score_at_a_time(store):
    kept_map(store, skills(metrics=("acc", "acc_norm")))
    app = section("Where it hurts")
    assert "Change in accuracy (acc)" in words(app)
    app.segmented_control(key="skill_metric").set_value("acc_norm").run()
    assert "Change in accuracy (acc_norm)" in words(app) and not app.exception


def test_other_settings_ask_for_another_map(store):
    kept_map(store, skills())
    app = section("Where it hurts")
    app.number_input(key="skill_size").set_value(2).run()
    assert any(button.label == "Measure where it hurts" for button in app.button)


def test_nothing_to_compare_with_says_what_to_do(store):
    app = section("Try your own prompts")
    assert "Nothing to compare with yet" in words(app)
    assert not app.text_area


def test_texts_are_shown_side_by_side_as_they_are(store):
    plan = drop_plan(LAYERS, [3])
    spec = TextSpec(ModelRef(), Calibration(), plan, ("Once",))
    keep(store, spec, Texts((PAIR,), True, 2.0))
    app = section("Try your own prompts")
    app.session_state["workspace"] = Workspace(chosen={"demo": plan}, text_id=jobs.job_id(spec))
    app.run()
    assert not app.exception
    donor, pruned = (element.proto.body for element in app.get("html"))
    assert "<b>Once</b> The<mark" in donor and " &lt;b&gt;&amp;</mark>" in donor
    assert " *mill*</mark>" in pruned
    assert r"diverges at token 2\: donor ' \<b\>&', pruned ' \*mill\*'" in words(app)
    assert "50% of the time; mean KL from the donor 0.360 nats" in words(app)
    assert app.text_area[0].value == "Once"
    assert app.selectbox[0].options == ["Drop layer 3 (1 of 16): via hooks, nothing is built"]


# --- figures ----------------------------------------------------------------------------------------------------------
