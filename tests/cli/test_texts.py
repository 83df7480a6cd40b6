"""The options of the calibration text, the same for every command that takes one."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.cli.texts import calibration
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration
from prune_core.schema.presets import with_calibration
from prune_core.schema.run import RunSpec
from tests.fixtures.tiny import tiny_model, tiny_tokenizer


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path / "home"))
    tiny_model("llama", 4).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def test_what_is_given_goes_before_the_preset_and_the_preset_before_the_defaults():
    assert calibration() == Calibration()
    assert calibration(calibration_preset="slm") == with_calibration(Calibration(), "slm")
    own = calibration("mine.txt", calibration_preset="slm", samples=4, column="body", text_split="test")
    assert own == Calibration("mine.txt", None, "test", "body", 4, 128, 1234, "spans")
    assert calibration("owner/data", text_subset="part", joined_by="eos", layout="packed", chat=True, seed=2) == (
        Calibration("owner/data", "part", seed=2, layout="packed", joined_by="eos", chat=True)
    )
    with pytest.raises(UserError, match="There is no preset 'none'"):
        calibration(calibration_preset="none")


@pytest.mark.parametrize("command", ["measure", "preview", "dropmap", "plan", "compare", "recipe"])
def test_every_command_that_takes_a_text_has_its_options(command):
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    for option in ("--text", "--layout", "--joined-by", "--chat", "--calibration-preset", "--samples", "--seq-len"):
        assert option in shown, option


def test_a_text_too_short_is_said_on_standard_error_and_the_size_with_the_figures(model, tmp_path):
    text = tmp_path / "short.txt"
    text.write_text("\n\n".join("some words here" for _ in range(20)), encoding="utf-8")  # 338 characters

    def measured(*more: str):
        done = CliRunner().invoke(
            app, ["measure", model, "--device", "cpu", "--text", str(text), "--seq-len", "16", *more]
        )
        assert done.exit_code == 0, done.output
        return done

    short = measured("--samples", "64")
    assert "This text gives only 22 pieces of the 64 asked for, 352 tokens of 1,024" in short.stderr
    enough = measured("--samples", "20")
    assert "asked for" not in enough.stderr
    assert "short.txt, 20 of 20 pieces of 16 tokens: 320 tokens" in enough.stdout
    assert "Drawn from 22 pieces of the whole text, as the file has it. Each sequence begins with <s>" in enough.stdout


def test_a_recipe_keeps_the_text_as_it_was_given(model, tmp_path):
    out = tmp_path / "recipe.json"
    words = [str(out), "--model", model, "--drop", "1", "--device", "cpu", "--column", "body", "--layout", "spans"]
    assert CliRunner().invoke(app, ["recipe", *words], catch_exceptions=False).exit_code == 0
    spec = serial.from_json(RunSpec, json.loads(out.read_text()))
    assert spec.calibration == Calibration(column="body", layout="spans")
    assert spec.evaluation.heldout.column == "body"
