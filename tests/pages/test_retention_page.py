"""A run's page says which skills were lost, with intervals; presets fill in the form; the figure draws what it says."""

import json
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from pages._ui.figures import before_after
from pages._ui.figures.retention import retention
from pages._ui.shared.before_after_view import comparison_table
from pages._ui.shared.forms import prompts_from, prompts_text
from pages._ui.shared.retention_view import agreement_table, retention_table, verdicts
from pages._ui.shared.theme import DARK, LIGHT
from pages._ui.state.session import Workspace
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.job import Job
from prune_core.schema.plan import drop_plan
from prune_core.schema.reports import Agreement, Metric, Report, Retention
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.serial import dumps
from prune_core.store.files import write_text
from prune_core.store.store import Store
from tests.pages.test_pages import LAYERS, ROOT, navigation, store, words

__all__ = ["navigation", "store"]  # fixtures

RUN = "run-20260101-000000-0001"
LOST = Retention("demo_sums", "acc", 240, 1.0, 0.93, -0.104, -0.042, 17, 0, 1e-5)
KEPT = Retention("demo_facts", "acc", 240, 0.5, 0.49, -0.06, 0.05, 20, 18, 0.87)
GAINED = Retention("demo_order", "acc", 240, 0.5, 0.6, 0.04, 0.15, 5, 29, 1e-4)
UNCLEAR = Retention("demo_verbs", "acc", 30, 0.5, 0.33, -0.3, -0.03, 5, 0, 0.0625)
GUESSED = Retention("arc_easy", "acc", 100, 0.25, 0.24, -0.1, 0.08, 5, 4, 1.0, 1, 0.25, 0.043)
MEAN = Retention("demo_skills", "acc", 480, 0.75, 0.71, -0.06, -0.01, 37, 18, None, 2)
AGREEMENT = Agreement(
    (
        Metric("KL from donor", "demo", 0.0114, "nats/token", False, 0.0003, None, 1000, "context 256, stride 128"),
        Metric("retained performance, acc", "2 tasks", 0.947, "fraction", True, 0.01, None, 480, "mean acc 71% of 75%"),
        Metric("Stability", "demo_sums", 0.93, "fraction", True, 0.02, None, 240, "Eq. 6"),
        Metric("Stability", "mean of 2 tasks", 0.9, "fraction", True, 0.02, None, 480, "Eq. 6"),
    ),
    (LOST, KEPT, MEAN),
)


def report(label: str, factor: float) -> Report:
    metrics = (
        Metric("perplexity", "demo", 2.5 * factor, "", False, 0.03, None, 1000, "context 256, stride 128"),
        Metric("acc", "demo_sums", 1 / factor, "fraction", True, 0.01, 0.25, 240),
        Metric("decode speed-up", "batch 1", 1.2, "x", True, 0.05, None, 7, "from 1.10 to 1.31"),
    )
    return Report(label, LAYERS, metrics, ())


@pytest.fixture
def run(store: Store) -> RunResult:
    """A finished run, which the workspace shows."""
    result = RunResult(report("donor", 1), report("pruned", 1.1), "checkpoint", {"torch": "2"}, 9.0, AGREEMENT)
    store.save_spec(RUN, RunSpec(ModelRef(), Calibration(), drop_plan(LAYERS, (9,)), Evaluation()))
    store.save_result(RUN, result)
    store.save_job(Job(RUN, "run", "done"))
    write_text(store.home / "workspaces" / "a.json", dumps(Workspace(run_id=RUN)))
    return result


def benchmark() -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).switch_page("pages/benchmark.py").run()
    assert not app.exception
    return app


def test_a_run_says_what_was_lost_and_by_how_much(run):
    app = benchmark()
    assert "**Lost:** sums. **No loss measured:** facts." in words(app)
    tiles = {tile.label: tile.value for tile in app.metric}
    assert tiles["Perplexity"] == "2.500 → 2.750"
    assert tiles["Retained performance"] == "94.7% ± 1.0"
    assert tiles["KL from donor"] == "0.01140 ± 0.00030 nats/token"
    assert tiles["Decode speed, pruned ÷ donor"] == "1.200 ± 0.050 x"
    headings = [heading.value for heading in app.subheader]
    assert headings.index("What is left of each skill") < headings.index("Before and after")


def test_a_speed_changes_by_its_paired_speed_up():
    speed = Metric("decode", "batch 1", 138.3, "tokens/s", True, 2.0, None, 7, "median of 7 rounds")
    before, after = (replace(r, metrics=(*r.metrics, speed)) for r in (report("donor", 1), report("pruned", 1.1)))
    rows = {row["Metric"]: row for row in comparison_table(before, after).to_dict("records")}
    assert rows["decode ↑"]["Change"] == "1.200 ± 0.050 x" and rows["perplexity ↓"]["Change"] == "+10.0%"
    alone = replace(after, metrics=(replace(speed, value=276.6),))  # of an older version
    assert comparison_table(before, alone)["Change"].iloc[0] == "+100.0%"


def test_the_page_says_how_speeds_change(run):
    assert "median of the ratios within each round" in words(benchmark())


def test_what_the_donor_only_guesses_at_says_nothing(store, run):
    store.save_result(RUN, replace(run, agreement=replace(AGREEMENT, retention=(LOST, GUESSED))))
    said = words(benchmark())
    assert "**Lost:** sums. **Says nothing** (the donor itself is at chance): arc easy." in said
    assert "Retained performance says nothing of what the donor itself only guesses at: arc easy." in said
    assert "No loss measured" not in said


@pytest.mark.parametrize(
    ("state", "label"),
    [("cancelled", "Go on where it stopped"), ("interrupted", "Go on where it stopped"), ("failed", "Try again")],
)
def test_a_stopped_run_keeps_its_parts_and_a_failed_one_is_tried_again(store, run, state, label):
    (store.folder(RUN) / "result.json").unlink()
    store.save_job(Job(RUN, "run", state, error="The task file a.jsonl cannot be read: check the path."))
    app = benchmark()
    assert [b.label for b in app.button if b.label in ("Go on where it stopped", "Try again")] == [label]
    said = "Build and compare was cancelled. The parts that it finished are kept."
    assert (said in words(app)) is (state == "cancelled")
    assert "Nothing half-made" not in words(app)


def test_a_run_of_an_older_version_still_opens(store, run):
    store.save_result(RUN, replace(run, agreement=None))
    app = benchmark()
    headings = [heading.value for heading in app.subheader]
    assert "What is left of each skill" not in headings and "Before and after" in headings


def test_tables_hold_every_number():
    (guessed,) = retention_table(Agreement((), (GUESSED,))).to_dict("records")
    assert guessed["Change"] == "says nothing, donor at chance: 25.0%, 25.0% by guessing"
    rows = retention_table(AGREEMENT).to_dict("records")
    assert rows[0]["Change"] == "-7.0 points, 95 % interval -10.4 to -4.2, p < 0.001"
    assert rows[1]["Change"] == "no loss measured: within -6.0 to +5.0 points"
    assert [row["Stability"] for row in rows] == ["93.0% ± 2.0", "", ""]
    assert (rows[0]["Lost"], rows[0]["Won"], rows[0]["Items"]) == (17, 0, 240)
    table = agreement_table(AGREEMENT.metrics)
    assert list(table["Measure"]) == ["KL from donor", "Retained performance, acc", "Stability"]
    assert table["How measured"].iloc[-1] == "mean of 2 tasks: Eq. 6"
    assert all(table["Meaning"])


def test_verdicts_name_each_skill_once():
    twice = replace(KEPT, metric="acc_norm", low=0.01, high=0.05)
    said = verdicts((LOST, KEPT, twice, GAINED, UNCLEAR, MEAN))
    assert said == "**Lost:** sums. **Unclear:** verbs. **Gained:** order. **No loss measured:** facts."
    many = tuple(replace(KEPT, task=f"t{n}") for n in range(20))
    assert verdicts(many) == "**No loss measured:** 20 skills."


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_figure_draws_the_interval(palette):
    figure = retention((LOST, KEPT, GAINED, UNCLEAR, MEAN, GUESSED), palette)
    marks = {trace.name: trace for trace in figure.data}
    assert set(marks) == {"lost", "no loss measured", "gained", "unclear", "donor at chance"}
    lost = marks["lost"]
    assert list(lost.y) == ["sums", "<b>skills, mean</b>"]
    assert lost.x[0] - lost.error_x.arrayminus[0] == pytest.approx(-10.4)
    assert lost.x[0] + lost.error_x.array[0] == pytest.approx(-4.2)
    assert len({trace.marker.symbol for trace in figure.data}) == 5
    said = [note.text for note in figure.layout.annotations]
    assert said[0] == "100.0 → 93.0%  lost"


def test_of_very_many_skills_only_the_means_and_the_changed_are_drawn():
    many = (*(replace(KEPT, task=f"t{n}") for n in range(60)), LOST, MEAN)
    names = {name for trace in retention(many).data for name in trace.y}
    assert names == {"sums", "<b>skills, mean</b>"}


def test_of_very_many_scores_only_the_means_are_drawn():
    scores = tuple(Metric("acc", f"mmlu_{n}", 0.5, "fraction", True, 0.01, 0.25, 100) for n in range(57))
    mean = Metric("acc", "mmlu", 0.5, "fraction", True, 0.01, 0.25, 5700, "mean of 57 tasks")
    both = [Report(label, LAYERS, (*scores, mean), ()) for label in ("donor", "pruned")]
    assert list(before_after(*both).data[-1].y) == ["<b>mmlu, mean</b>"]


def test_prompts_are_parted_by_empty_lines_and_may_have_several_lines(store):
    app = benchmark()
    area = next(each for each in app.text_area if each.key == "prompts")
    assert area.value == "\n\n".join(Evaluation().prompts) and "empty line" in area.help
    area.set_value("one\n  more\n \n\ntwo\n").run()
    (kept,) = store.home.glob("workspaces/[!.]*.json")
    assert json.loads(kept.read_text())["evaluation"]["prompts"] == ["one\n  more", "two"]
    assert prompts_from(prompts_text(("a\nb ", "c"))) == ("a\nb ", "c") and prompts_from(" \n") == ()


def test_presets_fill_in_the_form(store):
    app = benchmark()
    assert any("Demo skills." in caption.value for caption in app.caption)
    app.button(key="tasks_mmlu").click().run()
    assert app.text_input(key="tasks").value == "mmlu"
    assert app.text_input(key="task_folder").value == ""
    assert app.number_input(key="fewshot").value == 5
    app.button(key="windows_wikitext").click().run()
    assert (app.number_input(key="context").value, app.number_input(key="stride").value) == (2048, 2048)
    assert app.checkbox(key="joined").value
    (kept,) = store.home.glob("workspaces/[!.]*.json")
    assert '"fewshot": 5' in kept.read_text() and '"context": 2048' in kept.read_text()
    app.number_input(key="speed_warmup").set_value(5).run()
    assert '"warmup": 5' in kept.read_text() and not app.exception
    app.button(key="tasks_demo-skills").click().run()
    assert app.number_input(key="fewshot").value is None
