"""Processes told apart by id and start time, since the system gives an id to a new process once the old one is gone."""

import os
from typing import NamedTuple

import psutil

TOLERANCE_S = 1.0
"""Start times are worked out from the clock, which may be set in between."""


class Process(NamedTuple):
    """One process, dead or alive: its id, and when it started in seconds since 1970."""

    pid: int
    started: float


def this_process() -> Process:
    """The process that asks."""
    return process(os.getpid())


def process(pid: int) -> Process:
    """The living process with this id. Raises psutil.NoSuchProcess."""
    return Process(pid, psutil.Process(pid).create_time())


def is_alive(one: Process) -> bool:
    """Whether exactly this process runs still; one that ended and was not waited for does not."""
    return _living(one) is not None


def kill(one: Process) -> None:
    """Kill exactly this process, if it runs still."""
    found = _living(one)
    if found is not None:
        found.kill()


def _living(one: Process) -> psutil.Process | None:
    try:
        found = psutil.Process(one.pid)
        same = abs(found.create_time() - one.started) < TOLERANCE_S
        return found if same and found.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
