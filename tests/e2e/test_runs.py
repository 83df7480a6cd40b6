"""The runs page in a real browser: name, delete and undo, compare, and a report that opens offline from the disk."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from prune_core.pipeline.house import open_store
from prune_core.store import catalogue, trash
from prune_core.store.catalogue import About
from tests.e2e.conftest import AppServer
from tests.e2e.driver import says, settle
from tests.e2e.visiting import App
from tests.fixtures.stored import keep_run, result

HEAD_PX, ROW_PX, BOX_PX = 38, 35, 18
"""Where the table draws its rows and their boxes: its cells are a canvas."""


@pytest.fixture(scope="module")
def stored(browser: Browser, app_server: AppServer, tmp_path_factory: pytest.TempPathFactory) -> App:
    home = open_store(tmp_path_factory.mktemp("home"))
    for number in range(4):
        keep_run(home, number, measured=result(2.0 - number / 4))
    return App(browser, app_server("app.py", {"LAYERSCOPE_HOME": str(home.home)}), home)


@pytest.fixture
def app(stored: App) -> App:
    """Four runs without a name, whatever another test did to them."""
    for run in trash.deleted(stored.home):
        trash.restore(stored.home, run.id)
    for run in catalogue.entries(stored.home):
        catalogue.say(stored.home, run.id, About())
    return stored


def tick(page: Page, row: int) -> None:
    """Click the box of a row of the table of runs."""
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert box
    page.mouse.click(box["x"] + BOX_PX, box["y"] + HEAD_PX + ROW_PX * (row + 0.5))
    settle(page)


def test_name_a_run(app: App) -> None:
    with app.visit("runs") as tab:
        tick(tab, 0)
        tab.get_by_role("button", name="Name and tags").click()
        tab.get_by_role("textbox", name="Name").fill("The best")
        tab.get_by_role("textbox", name="Tags").fill("paper")
        tab.get_by_role("button", name="Save").click()
        settle(tab)
        newest = catalogue.entries(app.home)[0]
        assert (newest.about.name, newest.about.tags) == ("The best", ("paper",))
        tab.keyboard.press("Escape")
        settle(tab)
        says(tab, "What both models write")  # still selected, so still open


def test_the_report_opens_from_the_disk_without_a_network(app: App, tmp_path: Path) -> None:
    newest = catalogue.entries(app.home)[0].id
    catalogue.say(app.home, newest, About("The best"))
    with app.visit("runs") as tab:
        tick(tab, 0)
        tab.get_by_test_id("stPopover").filter(has_text="Download").click()
        with tab.expect_download() as waited:
            tab.get_by_test_id("stDownloadButton").filter(has_text="Report").click()
        file = tmp_path / "report.html"
        waited.value.save_as(file)
        for scheme, paper in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(17, 22, 29)")):
            context = app.browser.new_context(
                offline=True, color_scheme=scheme, viewport={"width": 1000, "height": 900}
            )
            page = context.new_page()
            errors: list[str] = []
            page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
            page.goto(file.as_uri())
            expect(page.get_by_role("heading", name="The best")).to_be_visible()
            expect(page.locator(".js-plotly-plot")).to_have_count(2)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
            layer = page.locator(".js-plotly-plot").first.locator(".bars .point path").nth(2).bounding_box()
            assert layer
            page.mouse.move(layer["x"] + layer["width"] / 2, layer["y"] + layer["height"] / 2, steps=3)
            expect(page.locator(".hoverlayer .hovertext").first).to_be_visible()  # live: it answers
            assert errors == []
            context.close()


def test_compare_two(app: App) -> None:
    with app.visit("runs") as tab:
        tick(tab, 0)
        tick(tab, 1)
        says(tab, "2 runs side by side")
        expect(tab.locator(".js-plotly-plot")).to_have_count(2)


def test_delete_and_undo(app: App) -> None:
    with app.visit("runs") as tab:
        tick(tab, 0)
        tick(tab, 1)
        tab.get_by_role("button", name="Delete 2 runs").click()
        says(tab, "Moved 2 runs to the trash.")
        settle(tab)
        assert len(catalogue.entries(app.home)) == 2
        tab.get_by_role("button", name="Undo").click()
        says(tab, "2 runs side by side")
        settle(tab)
        assert len(catalogue.entries(app.home)) == 4


def test_a_click_on_the_front_ticks_its_run(app: App) -> None:
    with app.visit("runs") as tab:
        tick(tab, 0)
        tick(tab, 1)
        tab.get_by_text("Quality against cost").click()
        settle(tab)
        tab.locator(".textpoint text", has_text="B").first.click(force=True)
        settle(tab)
        says(tab, "3 runs side by side")


def test_a_wrong_file_is_told_and_a_recipe_opens_its_plan(app: App) -> None:
    with app.visit("runs") as tab:
        tab.get_by_role("button", name="Import a recipe").click()
        folder = app.home.folder(catalogue.entries(app.home)[2].id)
        chooser = tab.locator('input[type="file"]')
        chooser.set_input_files(folder / "result.json")
        says(tab, re.compile("result.json is not a recipe, since it holds a RunResult"))
        settle(tab)
        chooser.set_input_files(folder / "spec.json")
        says(tab, "Drop layers 1 to 2 (2 of 16)")
        settle(tab)
        tab.get_by_role("button", name="Open its plan").click()
        expect(tab.get_by_role("heading", name="Plan", exact=True)).to_be_visible(timeout=30_000)
