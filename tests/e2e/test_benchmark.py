"""Prompts of one's own and the map of skills in a real browser, on the demo model."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from pages._ui.state import Workspace
from prune_core import jobs
from prune_core.serial import dumps
from prune_core.specs import MeasureSpec
from prune_core.store import Store, write_text
from prune_core.types import Calibration, ModelRef, drop_plan
from tests.e2e.conftest import AppServer
from tests.e2e.driver import open_page, settle, strangers

LONG_MS, LAYERS, ROWS = 240_000, 16, 7
PROMPT = "It is a sunny morning in *Oakford*."


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store whose last session measured a little text and chose layers 9 to 12."""
    store = Store(tmp_path_factory.mktemp("home"))
    little = Calibration(samples=4, seq_len=32)
    job = jobs.wait(store, jobs.submit(store, MeasureSpec(ModelRef(), little)), LONG_MS / 1000)
    assert job.state == "done", job.error
    chosen = Workspace(calibration=little, chosen={"demo": drop_plan(LAYERS, [9, 10, 11, 12])})
    write_text(store.home / "workspaces" / "abcd.json", dumps(chosen))
    yield store
    jobs.stop_worker(store)


@pytest.fixture(scope="module")
def tab(browser: Browser, app_server: AppServer, home: Store) -> Iterator[Page]:
    """One tab on the benchmark page; the tests of this module run in order."""
    url = app_server("app.py", {"LAYERSCOPE_HOME": str(home.home)})
    context = browser.new_context(viewport={"width": 1440, "height": 1200})
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    open_page(page, f"{url}/benchmark")
    yield page
    assert strangers(requests) == [], "the app must work offline"
    context.close()


def test_a_prompt_is_continued_by_both_models_before_our_eyes(tab: Page) -> None:
    tab.get_by_role("tab", name="Write your own prompt").click()
    settle(tab)
    tab.get_by_role("textbox", name="Prompts").fill(PROMPT)
    for setting, value in (("New tokens", "100"), ("Temperature", "0")):
        tab.get_by_role("spinbutton", name=setting).fill(value)
    tab.get_by_role("button", name="Write", exact=True).click()
    lengths: list[tuple[int, int]] = []
    ends = tab.get_by_text(re.compile("^The pruned model (departs at token|writes the donor)"))
    while not ends.count():
        shown = tab.locator(".ls-text").all_inner_texts()
        if len(shown) == 2:
            lengths.append((len(shown[0]), len(shown[1])))
        tab.wait_for_timeout(50)
    settle(tab)
    for side in (0, 1):
        seen = [length[side] for length in lengths]
        assert len(set(seen)) >= 3, f"the text did not grow on the page: {seen}"
        assert seen == sorted(seen)
    donor, pruned = tab.locator(".ls-text").all_inner_texts()
    assert donor.startswith(PROMPT) and donor != pruned
    assert tab.locator(".ls-text mark").count() == 2
    expect(tab.locator(".js-plotly-plot")).to_be_visible()


def test_the_texts_are_there_after_a_refresh(tab: Page) -> None:
    before = tab.locator(".ls-text").all_inner_texts()
    tab.reload()
    settle(tab)
    tab.get_by_role("tab", name="Write your own prompt").click()
    settle(tab)
    assert tab.locator(".ls-text").all_inner_texts() == before


def test_the_map_of_skills_is_measured_and_a_click_on_it_chooses(tab: Page) -> None:
    tab.get_by_role("tab", name="Where it hurts").click()
    settle(tab)
    limit = tab.get_by_role("spinbutton", name="Items per task")
    limit.fill("6")
    limit.press("Enter")
    settle(tab)
    tab.get_by_role("button", name="Measure where it hurts").click()
    expect(tab.get_by_text(re.compile("^Needed for ")).first).to_be_visible(timeout=LONG_MS)
    settle(tab)
    area = tab.locator(".js-plotly-plot .nsewdrag").bounding_box()
    assert area is not None
    for layer, words in ((14, "Drop layers 9 to 12, 14 (5 of 16)"), (9, "Drop layers 10 to 12, 14 (4 of 16)")):
        tab.mouse.click(area["x"] + (layer + 0.5) * area["width"] / LAYERS, area["y"] + 2.5 * area["height"] / ROWS)
        expect(tab.get_by_text(words)).to_be_visible()
        settle(tab)
    expect(tab.get_by_role("button", name="Download CSV")).to_be_visible()
