"""The store of this installation, which knows every spec and every result."""

from pathlib import Path

from prune_core.pipeline.specs import AnyResult, AnySpec
from prune_core.store.adopt import take_over
from prune_core.store.store import Store, home


def open_store(folder: Path | None = None) -> Store:
    """The store in `folder`, else in the home folder; one of an older version is taken over."""
    return take_over(Store(folder or home(), AnySpec, AnyResult))
