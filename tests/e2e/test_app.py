"""The whole job in a real browser, on the demo model: measure, point, preview, build, compare, refresh, cancel."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from prune_core.pipeline.house import open_store
from prune_core.store import jobs
from prune_core.store.store import Store
from tests.e2e.conftest import AppServer
from tests.e2e.driver import click_cell, drag_cells, settle, wait_for_map
from tests.e2e.story import LONG_MS, offline_tab, says

STATES = 17


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(tmp_path_factory.mktemp("home"))
    yield store
    jobs.stop_worker(store)


@pytest.fixture(scope="module")
def tab(browser: Browser, app_server: AppServer, home: Store) -> Iterator[Page]:
    """One tab through the whole story; the tests of this module run in order."""
    with offline_tab(browser, app_server, home, height=1000) as page:
        yield page


def go(page: Page, name: str) -> None:
    """Choose a page at the top."""
    page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=LONG_MS)
    settle(page)


def test_measure_the_demo_model(tab: Page) -> None:
    says(tab, "Layers")
    button = tab.get_by_role("button", name="Load and measure")
    expect(button).to_be_enabled(timeout=LONG_MS)
    button.click()
    says(tab, re.compile("Measured: 16 layers on"))
    settle(tab)


def test_click_a_cell_and_read_its_block_and_its_cost(tab: Page) -> None:
    go(tab, "Redundancy")
    wait_for_map(tab)
    click_cell(tab, (9, 13), STATES)
    says(tab, "Drop layers 9 to 12 (4 of 16)")
    says(tab, "Loss (nats per token)")
    settle(tab)


def test_drag_a_box_then_undo(tab: Page) -> None:
    drag_cells(tab, (5, 6), (6, 8), STATES)
    says(tab, "Drop layers 5 to 7 (3 of 16)")
    settle(tab)
    tab.get_by_role("button", name="Undo").click()
    says(tab, "Drop layers 9 to 12 (4 of 16)")
    settle(tab)


def test_the_choice_survives_a_refresh_and_a_page_change(tab: Page) -> None:
    tab.reload()
    settle(tab)
    says(tab, "Drop layers 9 to 12 (4 of 16)")
    go(tab, "Plan")
    says(tab, "Drop layers 9 to 12 (4 of 16)")
    says(tab, re.compile("the donor's"))


def test_build_refresh_in_mid_job_and_compare(tab: Page) -> None:
    go(tab, "Benchmark")
    tab.get_by_text("What is measured").click()
    limit = tab.get_by_role("spinbutton", name="Items per task")
    limit.fill("10")
    limit.press("Enter")
    settle(tab)
    tab.get_by_role("button", name=re.compile("^Build and compare")).click()
    expect(tab.get_by_role("button", name="Cancel")).to_be_visible(timeout=LONG_MS)  # the job is there
    tab.reload()
    says(tab, "Export the pruned model")
    settle(tab)
    says(tab, "What both models write")
    table = tab.get_by_test_id("stDataFrame").locator("visible=true").first
    expect(table).to_be_visible()


def test_the_checkpoint_is_there_and_whole(home: Store) -> None:
    (run_id,) = jobs.ids(home, "run")
    folder = home.folder(run_id) / "checkpoint"
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "recipe.json", "README.md"} <= names
    assert not list(Path(home.home).rglob(".*partial*"))


def test_cancel_a_job(tab: Page, home: Store) -> None:
    tab.get_by_role("button", name=re.compile("^Build and compare")).click()
    tab.get_by_role("button", name="Cancel").click(timeout=LONG_MS)
    says(tab, re.compile("Build and compare was cancelled"))
    job = jobs.status(home, jobs.ids(home, "run")[0])
    assert job is not None and job.state == "cancelled"


def test_the_runs_page_lists_both(tab: Page) -> None:
    go(tab, "Runs")
    expect(tab.get_by_test_id("stDataFrame")).to_be_visible()


def test_a_killed_worker_leaves_the_app_alive(tab: Page, home: Store) -> None:
    go(tab, "Benchmark")
    tab.get_by_role("button", name=re.compile("^Build and compare")).click()
    expect(tab.get_by_role("button", name="Cancel")).to_be_visible(timeout=LONG_MS)
    jobs.stop_worker(home)
    says(tab, re.compile("The worker process was killed"))
    go(tab, "Redundancy")
    wait_for_map(tab)
    click_cell(tab, (3, 5), STATES)
    says(tab, "Drop layers 3 to 4 (2 of 16)")
    says(tab, "Loss (nats per token)")
