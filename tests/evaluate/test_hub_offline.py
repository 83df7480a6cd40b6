"""Where the hub does not answer, the libraries are told so, and only while it matters."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import huggingface_hub.constants
import pytest

from prune_core.evaluate import hub_offline
from prune_core.evaluate.hub_offline import SWITCHES, offline_when_unreachable


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in SWITCHES:
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def server(status: int) -> Iterator[str]:
    """The address of a server on this machine that answers everything with `status`."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def said() -> list[bool]:
    return [module.HF_HUB_OFFLINE for module in SWITCHES]


@pytest.mark.parametrize("status", [200, 404, 503])
def test_any_answer_means_that_the_hub_is_there(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(status) as address:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        with offline_when_unreachable():
            assert said() == [False, False]


def test_no_answer_is_told_and_taken_back_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(200) as address:
        pass
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    within = []

    def fails() -> None:
        with offline_when_unreachable():
            within.extend(said())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert within == [True, True] and said() == [False, False]


def test_whoever_is_offline_by_choice_is_not_asked_and_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in SWITCHES:
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub_offline, "_hub_answers", lambda: pytest.fail("the network was asked"))
    with offline_when_unreachable():
        assert said() == [True, True]
    assert said() == [True, True]
