"""Names of models and texts, and numbers of things, in words."""

from pathlib import Path

import pytest

from prune_core.types import Calibration, ModelRef
from prune_core.wording import counted, model_name, text_name


@pytest.mark.parametrize(("number", "words"), [(0, "0 texts"), (1, "1 text"), (2000, "2,000 texts")])
def test_one_is_not_many(number: int, words: str) -> None:
    assert counted(number, "text") == words


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
