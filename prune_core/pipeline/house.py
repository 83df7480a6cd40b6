"""The store of this installation, which knows every spec and every result."""

from pathlib import Path

from prune_core.pipeline.specs import AnyResult, AnySpec
from prune_core.store.store import Store, home


def open_store(folder: Path | None = None) -> Store:
    """The store in `folder`, else in the home folder."""
    return Store(folder or home(), AnySpec, AnyResult)
