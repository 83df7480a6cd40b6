"""A folder pushed to a hub that runs in this process."""

from pathlib import Path

import pytest

from prune_core.export.hub_upload import upload
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.progress import Silent
from tests.fixtures.fake_hub import TOKEN, fake_hub
from tests.model.test_load import saved


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
        with pytest.raises(UserError, match="me/cut already has files"):
            upload(folder, "me/cut", True, Silent())
        monkeypatch.setenv("HF_TOKEN", "hf_another")
        with pytest.raises(UserError, match="refuses the push to me/other"):
            upload(folder, "me/other", True, Silent())
        monkeypatch.delenv("HF_TOKEN")
        with pytest.raises(UserError, match="not logged in"):
            upload(folder, "me/other", True, Silent())
