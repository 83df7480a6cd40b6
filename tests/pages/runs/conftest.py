"""Stored runs that were never run."""

from pathlib import Path

import pytest

from prune_core.pipeline.house import open_store
from prune_core.store.store import Store
from tests.fixtures.stored import keep_run, result


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store."""
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path))
    return open_store(tmp_path)


@pytest.fixture
def three(store: Store) -> list[str]:
    """Three finished runs, the newest first; the older the faster and the worse."""
    return [keep_run(store, number, measured=result(2.0 - number / 2)) for number in (2, 1, 0)]
