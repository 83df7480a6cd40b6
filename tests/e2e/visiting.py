"""Visits to the running app: each test has a tab and a workspace of its own, in a store where answers are kept already.

A module's tests share one server and one store. What they are asked to look at was made by direct calls of the engine,
so none needs another to have run before it.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from pages._ui.state.session import Workspace
from prune_core.pipeline.house import open_store
from prune_core.pipeline.runner import runner
from prune_core.pipeline.specs import MeasureSpec
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.schema.serial import dumps
from prune_core.store import jobs, worker
from prune_core.store.files import write_text
from prune_core.store.store import Store
from tests.e2e.driver import LONG_MS, open_page, settle, strangers

LAYERS = 16
STATES = LAYERS + 1
LITTLE = Calibration(samples=4, seq_len=32)
CHOSEN = Workspace(calibration=LITTLE, chosen={"demo": drop_plan(LAYERS, [9, 10, 11, 12])})
"""A session that measured a little text of the demo and chose layers 9 to 12."""


@dataclass(frozen=True)
class App:
    """A running app at `url` on the store `home`."""

    browser: Browser
    url: str
    home: Store

    @contextmanager
    def visit(self, page: str = "", now: Workspace = CHOSEN, height: int = 1200) -> Iterator[Page]:
        """A new tab at `page` in a new session that starts with `now`; it must ask nobody but the app."""
        name = secrets.token_hex(4)
        write_text(self.home.home / "workspaces" / f"{name}.json", dumps(now))
        context = self.browser.new_context(viewport={"width": 1440, "height": height}, accept_downloads=True)
        tab = context.new_page()
        requests: list[str] = []
        tab.on("request", lambda request: requests.append(request.url))
        try:
            open_page(tab, f"{self.url}/{page}?w={name}")
            yield tab
            asked = strangers(requests)
            assert asked == [], "the app must work offline"
        finally:
            context.close()


@contextmanager
def measured_store(folder: Path) -> Iterator[Store]:
    """A store in which a little text of the demo is measured; its worker, if the app starts one, ends with it."""
    store = open_store(folder)
    answered(store, MeasureSpec(ModelRef(), LITTLE))
    yield store
    jobs.stop_worker(store)


def answered(store: Store, spec: Any) -> str:
    """Answer `spec` in this process, as the worker would, and keep the answer; the job's id."""
    job_id = jobs.job_id(spec)
    assert jobs.take(store, spec, job_id)
    job = worker.execute(store, job_id, runner(store))
    assert job is not None and job.state == "done", job
    return job_id


@contextmanager
def new_ids(store: Store, kind: str) -> Iterator[list[str]]:
    """The ids of jobs of this kind that come up meanwhile; filled in at the end."""
    before, found = set(jobs.ids(store, kind)), []
    yield found
    found += [job_id for job_id in jobs.ids(store, kind) if job_id not in before]


def go(page: Page, name: str) -> None:
    """Choose a page at the top."""
    page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=LONG_MS)
    settle(page)
