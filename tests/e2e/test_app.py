"""The whole job in a real browser, on the demo model: measure, point, preview, build, compare, refresh, cancel."""

import re

from playwright.sync_api import Page, expect

from pages._ui.state.session import Workspace
from prune_core.store import jobs
from tests.e2e.driver import LONG_MS, click_cell, drag_cells, says, settle, wait_for_map
from tests.e2e.visiting import LITTLE, STATES, App, go, new_ids
from tests.fixtures.stored import keep_run


def build(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Build and compare")).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=LONG_MS)  # the job is there


def test_measure_the_demo_model(app: App) -> None:
    with app.visit(now=Workspace()) as tab:  # the text that a first visit has, which is not measured yet
        says(tab, "Layers")
        button = tab.get_by_role("button", name="Load and measure")
        expect(button).to_be_enabled(timeout=LONG_MS)
        button.click()
        says(tab, re.compile("Measured: 16 layers on"))


def test_click_a_cell_and_read_its_block_and_its_cost(app: App) -> None:
    with app.visit("redundancy", Workspace(calibration=LITTLE), height=1000) as tab:
        wait_for_map(tab)
        click_cell(tab, (9, 13), STATES)
        says(tab, "Drop layers 9 to 12 (4 of 16)")
        says(tab, "Loss (nats per token)")


def test_drag_a_box_then_undo(app: App) -> None:
    with app.visit("redundancy", height=1000) as tab:
        wait_for_map(tab)
        drag_cells(tab, (5, 6), (6, 8), STATES)
        says(tab, "Drop layers 5 to 7 (3 of 16)")
        settle(tab)
        tab.get_by_role("button", name="Undo").click()
        says(tab, "Drop layers 9 to 12 (4 of 16)")


def test_the_choice_survives_a_refresh_and_a_page_change(app: App) -> None:
    with app.visit("redundancy", Workspace(calibration=LITTLE), height=1000) as tab:
        wait_for_map(tab)
        click_cell(tab, (2, 4), STATES)
        says(tab, "Drop layers 2 to 3 (2 of 16)")
        settle(tab)
        tab.reload()
        settle(tab)
        says(tab, "Drop layers 2 to 3 (2 of 16)")
        go(tab, "Plan")
        says(tab, "Drop layers 2 to 3 (2 of 16)")
        says(tab, re.compile("the donor's"))


def test_build_refresh_in_mid_job_and_compare(app: App) -> None:
    with app.visit("benchmark") as tab, new_ids(app.home, "run") as runs:
        tab.get_by_text("What is measured").click()
        limit = tab.get_by_role("spinbutton", name="Items per task")
        limit.fill("10")
        limit.press("Enter")
        settle(tab)
        build(tab)
        tab.reload()
        says(tab, "Export the pruned model")
        settle(tab)
        says(tab, "What both models write")
        expect(tab.get_by_test_id("stDataFrame").locator("visible=true").first).to_be_visible()
    (run_id,) = runs
    folder = app.home.folder(run_id) / "checkpoint"
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "recipe.json", "README.md"} <= names
    assert not list(app.home.folder(run_id).rglob(".*"))  # nothing half-made is left


def test_cancel_a_job(app: App) -> None:
    with app.visit("benchmark") as tab, new_ids(app.home, "run") as runs:
        build(tab)
        tab.get_by_role("button", name="Cancel").click()
        says(tab, re.compile("Build and compare was cancelled"))
    (run_id,) = runs
    job = jobs.status(app.home, run_id)
    assert job is not None and job.state == "cancelled"


def test_the_runs_page_lists_what_was_kept(app: App) -> None:
    keep_run(app.home, 1)
    with app.visit("runs") as tab:
        expect(tab.get_by_test_id("stDataFrame")).to_be_visible()


def test_a_killed_worker_leaves_the_app_alive(app: App) -> None:
    with app.visit("benchmark", height=1000) as tab:
        build(tab)
        jobs.stop_worker(app.home)
        says(tab, re.compile("The worker process was killed"))
        go(tab, "Redundancy")
        wait_for_map(tab)
        click_cell(tab, (3, 5), STATES)
        says(tab, "Drop layers 3 to 4 (2 of 16)")
        says(tab, "Loss (nats per token)")
