"""Names of models and texts, and numbers of things, in words."""

from dataclasses import replace
from pathlib import Path

import pytest

from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.wording import counted, model_name, seconds_in_words, text_name, too_little


@pytest.mark.parametrize(("number", "words"), [(0, "0 texts"), (1, "1 text"), (2000, "2,000 texts")])
def test_one_is_not_many(number: int, words: str) -> None:
    assert counted(number, "text") == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (1e-5, "0.001 s"),
        (0.031, "0.03 s"),
        (0.42, "0.4 s"),
        (0.97, "1 s"),
        (8.2, "8 s"),
        (95, "1 min 35 s"),
    ],
)
def test_a_short_time_is_not_none(seconds: float, words: str) -> None:
    assert seconds_in_words(seconds) == words


def test_a_model_is_called_by_its_folder_or_its_id(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert model_name(ModelRef()) == "demo model"
    assert model_name(ModelRef(str(tmp_path / "mine"))) == "mine"
    assert model_name(ModelRef("owner/name")) == "owner/name"
    assert model_name(ModelRef("owner/name", "v2")) == "owner/name (v2)"


def test_a_text_says_its_source_and_how_much_of_it_was_found(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("One line.", encoding="utf-8")
    assert text_name(Calibration()) == "demo text, 64 texts of up to 128 tokens"
    assert text_name(Calibration(str(file)), 1, 128) == (
        "text.txt, 1 of 64 pieces of 128 tokens: 128 tokens of the 8,192 asked for"
    )
    assert text_name(Calibration(str(file)), 64, 8192) == "text.txt, 64 of 64 pieces of 128 tokens: 8,192 tokens"
    assert text_name(Calibration("owner/data", "part", samples=2)) == "owner/data/part, 2 pieces of 128 tokens"
    assert text_name(Calibration("owner/data", samples=2, layout="spans")) == "owner/data, 2 spans of 128 tokens"
    documents = Calibration(str(file), layout="documents")
    assert text_name(documents, 52, 2602) == (
        "text.txt, 52 of 64 texts of up to 128 tokens: 2,602 tokens of the 8,192 asked for"
    )
    assert text_name(replace(documents, chat=True, samples=1)) == "text.txt, 1 conversation of up to 128 tokens"


def test_a_text_that_gives_too_little_is_said_in_one_sentence() -> None:
    mine = Calibration("mine.jsonl")
    assert too_little(mine, 64, 8192) == too_little(mine, 64, 4096) == too_little(Calibration(), 64, 2118) == ""
    assert too_little(mine, 52, 6000) == (
        "This text gives only 52 texts of the 64 asked for, 6,000 tokens of 8,192: give longer texts, join them into "
        "pieces, or ask for less."
    )
    assert "gives short texts, 2,602 tokens of 8,192" in too_little(mine, 64, 2602)
    packed = too_little(Calibration("mine.txt"), 1, 128)
    assert "only 1 piece of the 64" in packed and "longer text, or ask for less" in packed
    assert "only 63 texts" in too_little(Calibration(), 63, 2000)
