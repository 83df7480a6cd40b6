"""`layerscope app`: what Streamlit is told. tests/test_wheel.py serves the app for real."""

import sys

import pytest
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.cli import serving
from prune_core.schema import demo


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch):
    """Calls `layerscope app` with the words; returns the options for Streamlit and what was printed."""

    def call(*words: str) -> tuple[list[str], str]:
        heard: list[list[str]] = []
        monkeypatch.setattr(sys, "argv", ["layerscope"])
        monkeypatch.setattr(
            serving.runpy, "run_module", lambda module, run_name: heard.append([module, run_name, *sys.argv])
        )
        done = CliRunner().invoke(app, ["app", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        module, run_name, *argv = heard[0]
        assert (module, run_name) == ("streamlit", "__main__")
        assert argv[:3] == ["streamlit", "run", str(demo.ROOT / "app.py")]
        return argv[3:], done.output

    return call


def test_without_options_the_settings_beside_the_app_decide(told):
    assert told() == ([], "")
    assert (demo.ROOT / ".streamlit" / "config.toml").is_file()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_alone_needs_no_warning(told, address):
    options = ["--server.port", "8600", "--server.address", address, "--browser.serverAddress", address]
    assert told("--port", "8600", "--address", address) == (options, "")


def test_other_machines_are_let_in_with_a_warning(told):
    options, printed = told("--address", "192.168.1.7")
    assert options == ["--server.address", "192.168.1.7", "--browser.serverAddress", "192.168.1.7"]
    assert "whoever reaches 192.168.1.7" in printed


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_an_address_that_means_all_is_none_to_visit(told, address):
    options, printed = told("--address", address)
    assert options == ["--server.address", address]
    assert f"whoever reaches {address}" in printed


def test_a_port_that_cannot_be_is_refused():
    assert CliRunner().invoke(app, ["app", "--port", "70000"]).exit_code == 2
