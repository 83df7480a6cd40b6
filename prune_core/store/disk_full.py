"""What a full disk is told as, and how it is recognised."""

import errno
from pathlib import Path

from safetensors import SafetensorError

from prune_core.schema.errors import UserError


class DiskFull(UserError):
    """There was no room to write. What was finished before is kept."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The disk is full: {path} could not be written. Free some space, then start or resume this; what was "
            "finished before is kept."
        )


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` says that there is no room left. safetensors tells it in words alone."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return isinstance(error, SafetensorError) and "os error 28" in str(error)
