"""An empty store."""

from pathlib import Path

import pytest

from prune_core.pipeline.house import open_store
from prune_core.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)
