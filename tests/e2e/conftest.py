"""Fixtures of the browser tests: one real Chromium for all of them, and Streamlit servers on free ports."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.e2e.visiting import App, measured_store

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
START_SECONDS = 90
WIDE, NARROW = 1440, 900

AppServer = Callable[..., str]
"""app_server(script, env={}) -> the URL of a running app."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, else Playwright's own. Having neither is a failure: these tests are never skipped."""
    system = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=system, args=FLAGS)
        except Error as error:
            pytest.fail(
                f"No browser to test with ({error.message.splitlines()[0]}): "
                "run `playwright install --with-deps chromium`, or install Debian's `chromium` package.",
                pytrace=False,
            )
        yield chromium
        chromium.close()


@pytest.fixture
def width() -> int:
    """The width of `page` in pixels; `@both_widths` runs a test at the two widths that every page must work at."""
    return WIDE


both_widths = pytest.mark.parametrize("width", [WIDE, NARROW])


@pytest.fixture
def page(browser: Browser, width: int) -> Iterator[Page]:
    """A fresh tab, as wide as `width`."""
    context = browser.new_context(viewport={"width": width, "height": 1000})
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def app_server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[AppServer]:
    """Starts Streamlit apps, waits until they answer, and ends them after the module; failures show their logs."""
    running: list[tuple[str, subprocess.Popen[bytes], Path]] = []
    failed_before = request.session.testsfailed

    def start(script: Path | str, env: dict[str, str] | None = None) -> str:
        port = free_port()
        log = tmp_path_factory.mktemp("app") / "server.log"
        command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
        settings = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command, cwd=ROOT, env=settings, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )
        running.append((str(script), process, log))
        url = f"http://127.0.0.1:{port}"
        wait_for_health(process, url, log)
        return url

    yield start
    for script, process, log in running:
        end(process)
        if request.session.testsfailed > failed_before:
            print(f"\n--- log of {script}\n{log.read_text(errors='replace')[-6000:]}")


@pytest.fixture(scope="module")
def app(browser: Browser, app_server: AppServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a store where a little text of the demo is measured; one server and one worker a module."""
    with measured_store(tmp_path_factory.mktemp("home")) as home:
        yield App(browser, app_server("app.py", {"LAYERSCOPE_HOME": str(home.home)}), home)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_health(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    """Wait until the server answers; where it does not, end it and fail with its log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    end(process)
    pytest.fail(f"The app did not start at {url}; its log:\n{log.read_text(errors='replace')[-6000:]}", pytrace=False)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End the server and whatever it started (the whole process group)."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=10)
            return
        except subprocess.TimeoutExpired:
            continue
