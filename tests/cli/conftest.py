"""A tiny model on the disk, and an empty store, for commands."""

from pathlib import Path

import pytest

from tests.fixtures.tiny import tiny_model, tiny_tokenizer


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path / "home"))
    tiny_model("llama", 4).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")
