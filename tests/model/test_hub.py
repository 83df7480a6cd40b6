"""Hub models: told from metadata, downloaded, cached, and refused in one sentence; by a hub that runs in the test."""

from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from prune_core.model import hub
from prune_core.model.load import inspect, load, load_tokenizer
from prune_core.schema.inputs import ModelRef
from tests.fixtures.fake_hub import COMMIT, fake_hub
from tests.fixtures.tiny import tiny_ids, tiny_model
from tests.model.test_load import WEIGHTS, refused, saved


def test_a_hub_model_is_told_from_metadata_then_downloaded_then_used_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "hub" / "ours" / "small", max_shard_size="40KB")
    ref = ModelRef("ours/small")
    with fake_hub(tmp_path / "hub", tmp_path / "cache", monkeypatch) as asked:
        info = inspect(ref)
        assert sum(hub.weights(ref.path, None).values()) >= info.parameters  # tied weights may lie there twice
        files = tmp_path / "hub" / "ours" / "small"
        assert hub.sizes(ref.path, None) == {file.name: file.stat().st_size for file in files.iterdir()}
        assert hub.cached(ref.path, None) is None or not list(hub.cached(ref.path, None).glob("*.safetensors"))
        assert info.parameters == sum(p.numel() for p in tiny_model("llama", 2).parameters())
        assert not list((tmp_path / "cache").rglob("*.safetensors"))
        loaded = load(ref)
        assert loaded.folder.name == COMMIT
        assert torch.equal(loaded.model(tiny_ids(1, 5)).logits, tiny_model("llama", 2)(tiny_ids(1, 5)).logits)
        asked.clear()
        load(ref)
        assert asked == []


def test_a_tokenizer_comes_without_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "hub" / "ours" / "small")
    with fake_hub(tmp_path / "hub", tmp_path / "cache", monkeypatch):
        assert load_tokenizer(ModelRef("ours/small"))("a b")["input_ids"][0] == 1
        assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_what_goes_wrong_on_the_hub_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = tmp_path / "hub"
    saved(served / "ours" / "whole")
    (saved(served / "ours" / "pickled") / WEIGHTS).unlink()
    with fake_hub(served, tmp_path / "cache", monkeypatch):
        assert "no model 'ours/nothing'" in refused("ours/nothing")
        assert "gated/model is gated" in refused("gated/model")
        assert "no safetensors weights" in refused("ours/pickled")
        assert "no model 'ours/whole'" not in refused("ours/whole", device="tpu")
    assert "cannot be reached for the model 'ours/other'" in refused("ours/other")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "give a local path, or go online" in refused("ours/other")
