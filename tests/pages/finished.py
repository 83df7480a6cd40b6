"""Finished answers for pages to show, so that no worker has to run, and what tests do with a page."""

from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from prune_core.pipeline.specs import MeasureSpec
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.job import Result, Spec
from prune_core.schema.measures import LayerStats
from prune_core.store import jobs
from prune_core.store.store import Store
from tests.fixtures.stored import keep_job
from tests.pages.synthetic import LAYERS

ROOT = Path(__file__).parents[2]
__all__ = ["LAYERS", "MEASURE", "ROOT", "gesture", "keep", "maps", "page", "words"]
MEASURE = MeasureSpec(ModelRef(), Calibration())


def maps() -> LayerStats:
    """Made-up maps in which likeness falls with distance, and layers 9 to 12 do nothing."""
    place = np.cumsum([0.0] + [0.0 if 9 <= layer <= 12 else 0.06 for layer in range(LAYERS)])
    angle = np.abs(place[:, None] - place[None, :])
    alike = np.cos(np.pi * angle)
    values = {"cosine": alike, "angular": angle, "angular_last": angle, "cka": np.clip(alike, 0, 1)}
    return LayerStats(LAYERS, values, {name: np.full_like(angle, 0.01) for name in values}, 64, 8000, 1.5)


def keep(store: Store, spec: Spec, result: Result) -> None:
    """Store the answer to `spec`, as if the worker had given it."""
    keep_job(store, jobs.job_id(spec), spec, result)


def page(name: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).switch_page(f"pages/{name}.py").run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption, *app.info])


def gesture(app: AppTest, i: int, j: int) -> None:
    """What the map sends when cell (i, j) is clicked."""
    seen = app.session_state["map_seen"]
    app.session_state["map"] = {"gestures": [{"n": seen["seen"] + 1, "session": seen["session"], "rect": [i, j, i, j]}]}
    app.run()
    assert not app.exception
