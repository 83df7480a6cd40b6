"""What the browser tests do with a page: wait for Streamlit, point at cells of the map, watch the network."""

from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

Cell = tuple[int, int]
READY = ".ls-map[data-drawn]"
TIMEOUT_MS = 60_000


def open_page(page: Page, url: str) -> None:
    """Go to `url` and wait until its script has run to the end."""
    page.goto(url)
    settle(page)


def settle(page: Page) -> None:
    """Wait until no script runs and none is about to: the app reports "notRunning" twice, a moment apart."""
    app = page.locator('[data-testid="stApp"]')
    for _ in range(2):
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=TIMEOUT_MS)
        page.wait_for_timeout(120)
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=TIMEOUT_MS)


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
