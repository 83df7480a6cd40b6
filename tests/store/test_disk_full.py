"""A full disk is recognised in whatever words it is said."""

import errno
from pathlib import Path

import pytest
from safetensors import SafetensorError

from prune_core.store.disk_full import DiskFull, is_disk_full


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (SafetensorError("Error while deserializing header"), False),
        (ValueError("os error 28"), False),
    ],
)
def test_what_says_that_there_is_no_room(error, full):
    assert is_disk_full(error) is full


def test_the_sentence_names_the_file_and_the_remedy():
    said = str(DiskFull(Path("runs") / "a.json"))
    assert "The disk is full" in said and str(Path("runs") / "a.json") in said and "Free some space" in said
