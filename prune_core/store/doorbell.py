"""How a sleeping worker learns at once that there is work: a datagram on this machine, with nothing in it."""

import socket
from contextlib import suppress
from types import TracebackType
from typing import Self

HERE = "127.0.0.1"


class Doorbell:
    """A port of this machine that can be waited at. `port` is 0 where the system grants none; then waiting is sleep."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with suppress(OSError):
            self._socket.bind((HERE, 0))
        self.port: int = self._socket.getsockname()[1]

    def wait(self, seconds: float) -> None:
        """Return when somebody rings, or after `seconds`."""
        self._socket.settimeout(seconds)
        with suppress(OSError):  # the time is up, or an earlier answer went to a port that is closed by now
            self._socket.recv(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()


def ring(port: int) -> None:
    """Wake whoever waits at `port`. Nobody need be there: whoever waits also looks by itself once a second."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.sendto(b"!", (HERE, port))
