"""A run's page says which skills were lost, with intervals; presets fill in the form; the figure draws what it says."""

from dataclasses import replace

import pytest

from pages._ui.shared.retention_view import agreement_table, retention_table, verdicts
from pages._ui.state.session import Workspace
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.schema.reports import Agreement, Metric
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.serial import dumps
from prune_core.store.files import write_text
from prune_core.store.store import Store
from tests.fixtures.stored import keep_job, mark
from tests.pages.finished import LAYERS, page, words
from tests.pages.synthetic import GAINED, GUESSED, KEPT, LOST, MEAN, UNCLEAR, report

RUN = "run-20260101-000000-0001"
SPEC = RunSpec(ModelRef(), Calibration(), drop_plan(LAYERS, (9,)), Evaluation())
AGREEMENT = Agreement(
    (
        Metric("KL from donor", "demo", 0.0114, "nats/token", False, 0.0003, None, 1000, "context 256, stride 128"),
        Metric("retained performance, acc", "2 tasks", 0.947, "fraction", True, 0.01, None, 480, "mean acc 71% of 75%"),
        Metric("Stability", "demo_sums", 0.93, "fraction", True, 0.02, None, 240, "Eq. 6"),
        Metric("Stability", "mean of 2 tasks", 0.9, "fraction", True, 0.02, None, 480, "Eq. 6"),
    ),
    (LOST, KEPT, MEAN),
)


@pytest.fixture
def run(store: Store) -> RunResult:
    """A finished run, which the workspace shows."""
    result = RunResult(report("donor", 1), report("pruned", 1.1), "checkpoint", {"torch": "2"}, 9.0, AGREEMENT)
    keep_job(store, RUN, SPEC, result)
    write_text(store.home / "workspaces" / "a.json", dumps(Workspace(run_id=RUN)))
    return result


def test_a_run_says_what_was_lost_and_by_how_much(run):
    app = page("benchmark")
    assert "**Lost:** sums. **No loss measured:** facts." in words(app)
    tiles = {tile.label: tile.value for tile in app.metric}
    assert tiles["Perplexity"] == "2.500 → 2.750"
    assert tiles["Retained performance"] == "94.7% ± 1.0"
    assert tiles["KL from donor"] == "0.01140 ± 0.00030 nats/token"
    assert tiles["Decode speed, pruned ÷ donor"] == "1.200 ± 0.050 x"
    headings = [heading.value for heading in app.subheader]
    assert headings.index("What is left of each skill") < headings.index("Before and after")


def test_the_page_says_how_speeds_change(run):
    assert "median of the per-round ratios" in words(page("benchmark"))


def test_what_the_donor_only_guesses_at_says_nothing(store, run):
    store.save_result(RUN, replace(run, agreement=replace(AGREEMENT, retention=(LOST, GUESSED))))
    said = words(page("benchmark"))
    assert "**Lost:** sums. **Uninformative** (the donor itself is at chance): arc easy." in said
    assert "Retained performance says nothing about tasks where the donor itself is at chance: arc easy." in said
    assert "No loss measured" not in said


@pytest.mark.parametrize(
    ("state", "label"),
    [("cancelled", "Resume"), ("interrupted", "Resume"), ("failed", "Try again")],
)
def test_a_stopped_run_keeps_its_parts_and_a_failed_one_is_tried_again(store, run, state, label):
    (store.folder(RUN) / "result.json").unlink()
    mark(store, RUN, SPEC, state, "The task file a.jsonl cannot be read: check the path.")
    app = page("benchmark")
    assert [b.label for b in app.button if b.label in ("Resume", "Try again")] == [label]
    said = "Build and compare was cancelled. Its finished parts are kept."
    assert (said in words(app)) is (state == "cancelled")
    assert "No partial result" not in words(app)


def test_a_run_of_an_older_version_still_opens(store, run):
    store.save_result(RUN, replace(run, agreement=None))
    app = page("benchmark")
    headings = [heading.value for heading in app.subheader]
    assert "What is left of each skill" not in headings and "Before and after" in headings


def test_tables_hold_every_number():
    (guessed,) = retention_table(Agreement((), (GUESSED,))).to_dict("records")
    assert guessed["Change"] == "uninformative, donor at chance: 25.0%, guessing 25.0%"
    rows = retention_table(AGREEMENT).to_dict("records")
    assert rows[0]["Change"] == "-7.0 points, 95% interval -10.4 to -4.2, p < 0.001"
    assert rows[1]["Change"] == "no loss measured: within -6.0 to +5.0 points"
    assert [row["Stability"] for row in rows] == ["93.0% ± 2.0", "", ""]
    assert (rows[0]["Lost"], rows[0]["Gained"], rows[0]["Items"]) == (17, 0, 240)
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
