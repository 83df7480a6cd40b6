"""The benchmark page's sections, fed from a store that holds finished answers, and their figures."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages._ui.figures.departure import departure
from pages._ui.figures.skill_map import skill_map
from pages._ui.shared.theme import DARK, LIGHT
from pages._ui.state.session import Workspace
from prune_core.pipeline.specs import SkillMapSpec, TextSpec
from prune_core.schema.continuations import Departure, TextPair, Texts, Token
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.schema.skill_map import Skill, SkillMap
from prune_core.store import jobs
from prune_core.store.store import Store
from tests.fixtures.stored import mark
from tests.pages.test_pages import LAYERS, ROOT, keep, maps, navigation, store, words

__all__ = ["maps", "navigation", "store"]  # fixtures

TOKENS = (
    Token(" The", 0.9, 0.8, " The", " The", True, 0.02),
    Token(" <b>&", 0.6, 0.1, " <b>&", " *mill*", False, 0.7),
)
PAIR = TextPair("Once", " The <b>&", " The *mill*", 4, Departure(1, " <b>&", " *mill*"), TOKENS, True)


def skills(measured: int = LAYERS, size: int = 1, metrics: tuple[str, ...] = ("acc",)) -> SkillMap:
    """Made up: layer 0 costs everything, and the first skill needs layer 3 too."""
    items, count = 40, LAYERS - size + 1
    named = [Skill(task, metric, items, 0.25) for task in ("demo_sums", "demo_facts") for metric in metrics]
    right = np.ones((min(measured, count), items * len(named)))
    right[0] = 0
    right[3:4, :30] = 0
    return SkillMap(
        LAYERS, size, tuple(named), np.arange(len(right)), right, np.ones(items * len(named)), count, "lm-eval, 0-shot"
    )


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


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_map_of_skills(palette):
    figure = skill_map(skills(measured=5), (2, 3, 9), palette)
    heat, squares = figure.data
    z, marks = np.array(heat.z, dtype=float), np.array(heat.text)
    assert z.shape == (3, LAYERS)  # the mean of skills on top
    assert z[:, 0].tolist() == [-100, -100, -100] and z[1, 3] == pytest.approx(-75) and z[0, 3] == pytest.approx(-37.5)
    assert np.isnan(z[:, 5:]).all() and heat.zmin == -heat.zmax == -100
    assert marks[1].tolist() == ["−100", "·", "·", "−75", "·"] + [""] * 11
    assert len(squares.x) == 3 * 5 and squares.customdata[3][0] == 3
    assert "sums without layer 3<br>25.0% of 40 items right (donor 100.0%, chance 25%)<br>change -75.0 ±" in (
        "\n".join(squares.text)
    )
    assert "no clear change" in squares.text[1]
    assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == {(1.5, 3.5), (8.5, 9.5)}


def test_the_map_of_blocks():
    figure = skill_map(skills(size=3), (4, 5, 6, 7), LIGHT)
    assert np.array(figure.data[0].z).shape == (3, LAYERS - 2)
    assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == {(3.5, 5.5)}  # [4, 7) and [5, 8)
    assert "without layers 3 to 5" in "\n".join(figure.data[1].text)


def test_the_departure_takes_no_text_for_html():
    figure = departure(PAIR, LIGHT)
    links, donor, pruned, same, other = figure.data
    assert list(links.y) == [0.9, 0.8, None, 0.6, 0.1, None]
    assert list(donor.y) == [0.9, 0.6] and list(pruned.y) == [0.8, 0.1]
    assert list(same.y) == [0.02, None] and list(other.y) == [None, 0.7]
    assert "&lt;b&gt;&amp;" in donor.text[1] and "<b>" not in donor.text[1]
    assert list(figure.layout.xaxis2.ticktext) == ["The", "&lt;b&gt;&amp;"]
    assert figure.layout.shapes[0].x0 == 1.5
