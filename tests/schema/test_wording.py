"""Names of models and texts, and numbers of things, in words."""

from pathlib import Path

import pytest

from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.wording import counted, model_name, seconds_in_words, text_name


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
    assert text_name(Calibration(str(file)), found=1) == "text.txt, 1 text of up to 128 tokens"
    assert text_name(Calibration("owner/data", "part", samples=2)) == "owner/data/part, 2 texts of up to 128 tokens"
