"""A module of browser tests as one story: a store of its own and one tab, through which its tests run in order."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from pages._ui.state.session import Workspace
from prune_core.pipeline.house import open_store
from prune_core.pipeline.specs import MeasureSpec
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.schema.serial import dumps
from prune_core.store import jobs
from prune_core.store.files import write_text
from prune_core.store.store import Store
from tests.e2e.conftest import AppServer
from tests.e2e.driver import open_page, strangers

LONG_MS = 240_000  # a cold worker imports torch, and machines are slow
LAYERS = 16
LITTLE = Calibration(samples=4, seq_len=32)


@contextmanager
def measured_store(folder: Path) -> Iterator[Store]:
    """A store whose last session measured a little text of the demo and chose layers 9 to 12."""
    store = open_store(folder)
    job = jobs.wait(store, jobs.submit(store, MeasureSpec(ModelRef(), LITTLE)), LONG_MS / 1000)
    assert job.state == "done", job.error
    chosen = Workspace(calibration=LITTLE, chosen={"demo": drop_plan(LAYERS, [9, 10, 11, 12])})
    write_text(store.home / "workspaces" / "abcd.json", dumps(chosen))
    yield store
    jobs.stop_worker(store)


@contextmanager
def offline_tab(
    browser: Browser, app_server: AppServer, home: Store, page: str = "", height: int = 1200
) -> Iterator[Page]:
    """One tab of the app on the store `home`, opened at `page`; in the end it must have asked nobody but the app."""
    url = app_server("app.py", {"LAYERSCOPE_HOME": str(home.home)})
    context = browser.new_context(viewport={"width": 1440, "height": height}, accept_downloads=True)
    tab = context.new_page()
    requests: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    open_page(tab, f"{url}/{page}" if page else url)
    yield tab
    assert strangers(requests) == [], "the app must work offline"
    context.close()


def says(page: Page, words: str | re.Pattern[str]) -> None:
    """Wait until the page shows `words`."""
    expect(page.get_by_text(words).first).to_be_visible(timeout=LONG_MS)
