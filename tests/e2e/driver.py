"""What the browser tests do with a page: wait for Streamlit, point at cells of the map, watch the network."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

Cell = tuple[int, int]
READY = ".ls-map[data-drawn]"
TIMEOUT_MS = 60_000
LONG_MS = 240_000  # a cold worker imports torch, and machines are slow
QUIET_MS = 400


def open_page(page: Page, url: str) -> None:
    """Go to `url` and wait until its script has run to the end."""
    page.goto(url)
    settle(page)


def settle(page: Page) -> None:
    """Wait until Python has had every gesture of the maps and no script has run for `QUIET_MS`.

    A click reaches the server a moment before the page says that a script runs, hence the quiet time.
    """
    page.evaluate("window.__idleSince = null")
    page.wait_for_function(_IDLE, arg=QUIET_MS, timeout=TIMEOUT_MS)


_IDLE = """quiet => {
  const app = document.querySelector('[data-testid="stApp"]');
  const idle = app?.dataset.testScriptState === "notRunning"
    && [...document.querySelectorAll(".ls-map")].every((map) => !Number(map.dataset.waiting ?? 0));
  window.__idleSince = idle ? window.__idleSince ?? performance.now() : null;
  return idle && performance.now() - window.__idleSince >= quiet;
}"""


def says(page: Page, words: str | re.Pattern[str]) -> None:
    """Wait until the page shows `words`."""
    expect(page.get_by_text(words).locator("visible=true").first).to_be_visible(timeout=LONG_MS)


def wait_for_map(page: Page) -> None:
    """Wait until the map is drawn and in view."""
    page.locator(READY).first.wait_for(timeout=TIMEOUT_MS)
    page.locator(".ls-map").first.scroll_into_view_if_needed()


def cell_pixel(page: Page, cell: Cell, states: int) -> tuple[float, float]:
    """The middle of cell (i, j), in pixels of the viewport, of an unzoomed map of `states` states."""
    area = page.locator(".ls-map .nsewdrag").first.bounding_box()
    assert area, "the map has no plot area: wait_for_map first"
    i, j = cell
    return area["x"] + (j + 0.5) * area["width"] / states, area["y"] + (i + 0.5) * area["height"] / states


def hover_cell(page: Page, cell: Cell, states: int) -> str:
    """Point at cell (i, j); returns what the line under the map says about it."""
    page.mouse.move(*cell_pixel(page, cell, states))
    return page.locator(".ls-map-line").first.inner_text()


def click_cell(page: Page, cell: Cell, states: int) -> None:
    """Click cell (i, j) and wait for the script."""
    page.mouse.click(*cell_pixel(page, cell, states))
    settle(page)


def drag_cells(page: Page, first: Cell, last: Cell, states: int) -> None:
    """Drag from the middle of cell `first` to the middle of cell `last` and wait for the script."""
    page.mouse.move(*cell_pixel(page, first, states))
    page.mouse.down()
    page.mouse.move(*cell_pixel(page, last, states), steps=5)
    page.mouse.up()
    settle(page)


def strangers(requests: list[str]) -> list[str]:
    """Those of the requested URLs that leave this machine."""
    local = {"127.0.0.1", "localhost", "", None}
    return [url for url in requests if urlsplit(url).hostname not in local]
