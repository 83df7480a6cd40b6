"""Text that a person entered as a path. Hub ids are typed into the same field, so nothing here may raise."""

from pathlib import Path


def given_path(text: str) -> Path:
    """`text` as a path, with "~" expanded if there is such a user."""
    path = Path(text.replace("\0", "\ufffd"))  # no path can hold a NUL, so this one leads nowhere
    try:
        return path.expanduser()
    except RuntimeError:  # "~nosuchuser": no such user, so the path leads nowhere
        return path


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; False if the system refuses to look, as for names of 300 characters."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether there is such a file; False if the system refuses to look."""
    try:
        return path.is_file()
    except OSError:
        return False
