"""Start the app. Streamlit is run by its name, as a program: the engine imports no user interface."""

import runpy
import sys
from ipaddress import ip_address
from typing import Annotated

import typer

from prune_core.schema import demo

Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port; without it 8501, or the next free one.")]
Address = Annotated[str, typer.Option(help="Address to listen on; without it 127.0.0.1, which is this machine only.")]


def serve_app(port: Port = None, address: Address = "") -> None:
    """Serve the app until Ctrl+C, and print its address.

    Theme and server settings are those of .streamlit/config.toml beside app.py, whatever the current folder is.
    """
    options = []
    if port is not None:
        options += ["--server.port", str(port)]
    if address:
        options += ["--server.address", address]
        if not _is_any(address):  # what is printed, and where a browser's requests may come from
            options += ["--browser.serverAddress", address]
        if not _is_loopback(address):
            print(
                f"LayerScope has no accounts: whoever reaches {address} can use it and read files as you.",
                file=sys.stderr,
            )
    # In this process, so that Ctrl+C and a kill reach Streamlit itself on every system.
    sys.argv = ["streamlit", "run", str(demo.ROOT / "app.py"), *options]
    runpy.run_module("streamlit", run_name="__main__")


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _is_any(address: str) -> bool:
    try:
        return ip_address(address).is_unspecified
    except ValueError:
        return False
