"""The form of the calibration text, its presets, and what a text gives before anything is measured on it."""

import pytest

from pages._ui.state.session import Workspace
from prune_core.pipeline.specs import DrawSpec, InspectSpec
from prune_core.schema.drawn import Drawn
from prune_core.schema.inputs import Calibration, ModelInfo, ModelRef
from prune_core.schema.presets import CALIBRATION_PRESETS, with_calibration
from prune_core.schema.serial import dumps
from prune_core.store import jobs
from prune_core.store.files import read_json, write_text
from tests.pages.finished import LAYERS, keep, page, words

INFO = ModelInfo(ModelRef(), "llama", LAYERS, 64, 256, 512, 10**6, 4 * 10**6, "float32", "float32", "cpu", 10**9)


@pytest.fixture
def asked(store, monkeypatch) -> list:
    """Every spec that a page submits; nothing is run."""
    specs: list = []
    monkeypatch.setattr("prune_core.store.jobs.submit", lambda store, spec: specs.append(spec) or jobs.job_id(spec))
    keep(store, InspectSpec(ModelRef()), INFO)
    return specs


def open_with(store, calibration: Calibration):
    write_text(store.home / "workspaces" / "abcd.json", dumps(Workspace(calibration=calibration)))
    return page("model")


def chosen(store) -> Calibration:
    files = sorted((store.home / "workspaces").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    found = read_json(files[-1], Workspace)
    assert found is not None
    return found.calibration


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("name", [preset.name for preset in CALIBRATION_PRESETS])
def test_a_preset_fills_every_field(store, name):
    app = open_with(store, Calibration(seed=5))
    app.button(key=f"paper_{name}").click().run()
    assert not app.exception
    assert chosen(store) == with_calibration(Calibration(seed=5), name)


@pytest.mark.usefixtures("asked")
def test_one_preset_after_another_and_back_to_the_demo(store):
    app = open_with(store, Calibration())
    app.button(key="paper_replaceme").click().run()
    app.button(key="paper_sleb").click().run()
    assert chosen(store) == with_calibration(Calibration(), "sleb")
    assert any("SLEB: 128 × 2048. 128 samples of WikiText-2" in caption.value for caption in app.caption)
    app.segmented_control(key="calibration_kind").set_value("Demo text").run()
    assert chosen(store).source == "demo" and chosen(store).samples == 128


@pytest.mark.usefixtures("asked")
def test_a_preset_leaves_a_text_of_ones_own_where_it_is(store, tmp_path):
    (tmp_path / "mine.jsonl").write_text('{"body": "words"}', encoding="utf-8")
    mine = Calibration(str(tmp_path / "mine.jsonl"), column="body")
    app = open_with(store, mine)
    app.button(key="paper_llm-streamline").click().run()
    assert chosen(store) == with_calibration(mine, "llm-streamline")
    assert chosen(store).source == mine.source


@pytest.mark.usefixtures("asked")
def test_layout_joint_and_chat_are_chosen_and_named(store, tmp_path):
    (tmp_path / "mine.txt").write_text("words", encoding="utf-8")
    app = open_with(store, Calibration(str(tmp_path / "mine.txt"), samples=9))
    assert "Pieces" in [field.label for field in app.number_input]
    app.selectbox(key="calibration_joined_by").set_value("blank line").run()
    assert chosen(store).joined_by == "blank line"
    app.selectbox(key="calibration_layout").set_value("spans").run()
    assert "Spans" in [field.label for field in app.number_input]
    app.selectbox(key="calibration_layout").set_value("auto").run()
    app.checkbox(key="calibration_chat").check().run()
    assert "Conversations" in [field.label for field in app.number_input]
    assert chosen(store) == Calibration(str(tmp_path / "mine.txt"), samples=9, chat=True)


def test_what_a_file_gives_is_asked_for_and_told_before_measuring(store, asked, tmp_path):
    (tmp_path / "mine.txt").write_text("words", encoding="utf-8")
    mine = Calibration(str(tmp_path / "mine.txt"))
    app = open_with(store, mine)
    assert asked == [DrawSpec(ModelRef(), mine)]
    keep(store, DrawSpec(ModelRef(), mine), Drawn(3, 384, "3 pieces of the whole text", "Each begins with <bos>."))
    app.run()
    assert app.warning[0].value.startswith("This text gives only 3 pieces of the 64 asked for, 384 tokens of 8,192")
    assert "3 of 64 pieces of 128 tokens: 384 tokens of the 8,192 asked for. Drawn from 3 pieces" in words(app)
    assert r"\<bos\>" in words(app)
    assert any(button.label == "Load and measure" for button in app.button)
    keep(store, DrawSpec(ModelRef(), mine), Drawn(64, 8192, "70 pieces of the whole text", "No mark."))
    assert not app.run().warning


def test_a_dataset_is_fetched_only_when_asked_for(store, asked):
    app = open_with(store, Calibration("owner/data"))
    assert asked == []
    next(button for button in app.button if button.label == "See how much the text gives").click().run()
    assert asked == [DrawSpec(ModelRef(), Calibration("owner/data"))]
