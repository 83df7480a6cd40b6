"""Hub models: told from metadata, downloaded, cached, and refused in one sentence; by a hub that runs in the test."""

from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from prune_core.export.hub_upload import upload
from prune_core.model.load import inspect, load, load_tokenizer
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.inputs import ModelRef
from prune_core.schema.progress import Silent
from tests.fixtures.fake_hub import COMMIT, TOKEN, fake_hub
from tests.fixtures.tiny import tiny_ids, tiny_model
from tests.model.test_load import WEIGHTS, refused, saved


def test_a_hub_model_is_told_from_metadata_then_downloaded_then_used_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "hub" / "ours" / "small", max_shard_size="40KB")
    ref = ModelRef("ours/small")
    with fake_hub(tmp_path / "hub", tmp_path / "cache", monkeypatch) as asked:
        info = inspect(ref)
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
    hub = tmp_path / "hub"
    saved(hub / "ours" / "whole")
    (saved(hub / "ours" / "pickled") / WEIGHTS).unlink()
    with fake_hub(hub, tmp_path / "cache", monkeypatch):
        assert "no model 'ours/nothing'" in refused("ours/nothing")
        assert "gated/model is gated" in refused("gated/model")
        assert "no safetensors weights" in refused("ours/pickled")
        assert "no model 'ours/whole'" not in refused("ours/whole", device="tpu")
    assert "cannot be reached for the model 'ours/other'" in refused("ours/other")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "give a local path, or connect" in refused("ours/other")


class StopsAtOnce(Silent):
    def advance(self, done: int = 1) -> None:
        raise Cancelled


def test_a_folder_is_pushed_whole_to_a_new_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, folder = tmp_path / "hub", saved(tmp_path / "built")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with fake_hub(hub, tmp_path / "cache", monkeypatch):
        with pytest.raises(UserError, match="holds no checkpoint"):
            upload(tmp_path / "nothing", "me/nothing", True, Silent())
        with pytest.raises(Cancelled):
            upload(folder, "me/stopped", True, StopsAtOnce())
        assert not list((hub / "me" / "stopped").iterdir())
        address = upload(folder, "me/cut", True, Silent())
        assert address.endswith("/me/cut")
        pushed = {file.name: file.read_bytes() for file in (hub / "me" / "cut").iterdir()}
        assert pushed == {file.name: file.read_bytes() for file in folder.iterdir()}
        with pytest.raises(UserError, match="me/cut holds files already"):
            upload(folder, "me/cut", True, Silent())
        monkeypatch.setenv("HF_TOKEN", "hf_another")
        with pytest.raises(UserError, match="refuses the push to me/other"):
            upload(folder, "me/other", True, Silent())
        monkeypatch.delenv("HF_TOKEN")
        with pytest.raises(UserError, match="not logged in"):
            upload(folder, "me/other", True, Silent())
