"""A sleeping worker hears the bell at once, and nobody minds where no one listens."""

import threading
import time

from prune_core.store.doorbell import Doorbell, ring

LONG_S = 60.0


def test_a_ring_ends_the_wait() -> None:
    with Doorbell() as bell:
        assert bell.port > 0
        caller = threading.Timer(0.2, ring, (bell.port,))
        begun = time.monotonic()
        caller.start()
        bell.wait(LONG_S)
        assert time.monotonic() - begun < LONG_S / 2
        caller.join()


def test_a_ring_before_the_wait_is_not_lost() -> None:
    with Doorbell() as bell:
        ring(bell.port)
        begun = time.monotonic()
        bell.wait(LONG_S)
        assert time.monotonic() - begun < LONG_S / 2


def test_without_a_ring_the_wait_lasts_as_long_as_was_said() -> None:
    with Doorbell() as bell:
        begun = time.monotonic()
        bell.wait(0.2)
        assert time.monotonic() - begun >= 0.19


def test_ringing_where_nobody_is_does_nothing() -> None:
    with Doorbell() as bell:
        port = bell.port
    ring(port)
    ring(0)
    with Doorbell() as bell:  # which may be told of the rings that found nobody
        ring(port if port != bell.port else 0)
        bell.wait(0.05)


def test_two_bells_are_two_ports() -> None:
    with Doorbell() as one, Doorbell() as other:
        assert one.port != other.port
        ring(one.port)
        begun = time.monotonic()
        other.wait(0.2)
        assert time.monotonic() - begun >= 0.19
