"""Processes told apart by id and start, since the system gives an id to a new process once the old one is gone."""

import os
from pathlib import Path
from typing import NamedTuple

import psutil

PROC = Path("/proc")


class Process(NamedTuple):
    """One process, dead or alive: its id, and a text that says when it started (see `_start`)."""

    pid: int
    started: str


def this_process() -> Process:
    """The process that asks."""
    return process(os.getpid())


def process(pid: int) -> Process:
    """The process with this id. Raises psutil.NoSuchProcess."""
    return Process(pid, _start(pid))


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
        return found if _start(one.pid) == one.started and found.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _start(pid: int) -> str:
    """When the process started: on Linux in ticks since this boot, which no change of the clock moves; elsewhere as the
    system has it in seconds since 1970."""
    if not (PROC / "self" / "stat").exists():
        return repr(psutil.Process(pid).create_time())
    try:
        ticks = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]  # field 22 of proc(5)
        boot = (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    return f"{boot}-{ticks}"
