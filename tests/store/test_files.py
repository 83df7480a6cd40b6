"""Files and folders appear whole or not at all, and a full disk is told as such."""

import errno
import os

import pytest

from prune_core.store.disk_full import DiskFull
from prune_core.store.files import whole, whole_folder


@pytest.mark.parametrize("write", [whole, whole_folder])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space"), OSError(errno.EACCES, "No"), KeyboardInterrupt()])
def test_what_failed_leaves_nothing_behind_and_only_a_full_disk_is_called_one(tmp_path, write, error) -> None:
    expected = DiskFull if getattr(error, "errno", None) == errno.ENOSPC else type(error)
    with pytest.raises(expected):
        fail(write, tmp_path / "deep" / "made", error)
    assert list((tmp_path / "deep").iterdir()) == []


@pytest.mark.parametrize("write", [whole, whole_folder])
def test_until_it_is_whole_it_has_a_name_that_tells_who_writes_it(tmp_path, write) -> None:
    target = tmp_path / "made"
    with write(target) as unfinished:
        fill(unfinished)
        assert unfinished.name.startswith(".made-") and unfinished.name.endswith(f"-{os.getpid()}")
        assert not target.exists()
    assert list(tmp_path.iterdir()) == [target]
    assert (target / "file" if target.is_dir() else target).read_text() == "words"


def test_a_folder_that_holds_something_is_not_written_over(tmp_path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine").touch()
    with pytest.raises(OSError, match="not empty"), whole_folder(tmp_path / "made") as unfinished:
        fill(unfinished)
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "mine"]


def fill(place) -> None:
    (place / "file" if place.is_dir() else place).write_text("words")


def fail(write, target, error) -> None:
    with write(target) as unfinished:
        fill(unfinished)
        raise error
