"""The store that most tests of pages start from."""

from pathlib import Path

import pytest

from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import PreviewSpec
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.schema.reports import Preview
from prune_core.store.store import Store
from tests.pages.finished import LAYERS, MEASURE, keep, maps


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The demo measured, by made-up maps, and a few cuts previewed."""
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path))
    store = open_store(tmp_path)
    keep(store, MEASURE, maps())
    for layers in ([9, 10, 11, 12], [2], [2, 9, 10, 11, 12], [3, 4, 5], [10]):
        plan = drop_plan(LAYERS, layers)
        keep(store, PreviewSpec(ModelRef(), Calibration(), plan), Preview(plan, 1.5, 1.6, 0.01, 8000, 0.4))
    return store
