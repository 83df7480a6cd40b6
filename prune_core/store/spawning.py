"""Starting the worker process, and knowing which process is it and how it ended."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from prune_core.schema.errors import UserError
from prune_core.store import database, processes
from prune_core.store.disk_full import DiskFull
from prune_core.store.processes import Process

LOG = "worker.log"
LOG_BYTES = 2**20
"""A larger log is put aside as worker.log.1 before more is written."""

START_S = 120.0
"""How long a worker may take to start on a busy machine; it does not import torch for that."""

_children: dict[int, subprocess.Popen[bytes]] = {}
"""The workers that this process started: only their parent can learn how they ended."""


def living_worker(home: Path) -> Process | None:
    """The worker of the store in `home`, if one lives."""
    row = database.read(home, "SELECT pid, started FROM worker")[0]
    if row["pid"] is None:
        return None
    worker = Process(row["pid"], row["started"])
    return worker if processes.is_alive(worker) else None


def ensure_worker(home: Path) -> int:
    """Start the worker unless one lives; the port where it is woken. Of many that ask at once, one starts it."""
    begun = time.monotonic()
    child: subprocess.Popen[bytes] | None = None
    while living_worker(home) is None:
        if child is None and _my_turn(home):
            child = _start(home)
        if child is not None and child.poll() is not None and living_worker(home) is None:
            raise UserError(f"The worker process did not start: see the end of {home / LOG}.")
        if time.monotonic() - begun > START_S:
            raise UserError(f"The worker process did not start within {START_S:.0f} s: see the end of {home / LOG}.")
        time.sleep(0.02)
    return int(database.read(home, "SELECT port FROM worker")[0]["port"] or 0)


def how_it_ended(pid: int) -> str:
    """How the process `pid`, which is gone, ended: "killed", "was ended by signal 15", "ended unexpectedly"."""
    child, code = _children.get(pid), None
    if child is not None:
        with suppress(subprocess.TimeoutExpired):
            code = child.wait(timeout=2)  # its first thread is gone, its last may be a moment behind
    if code == -9:
        return "killed"
    return f"was ended by signal {-code}" if code is not None and code < 0 else "ended unexpectedly"


def wait_for_the_end(one: Process, seconds: float = 10.0) -> None:
    """Wait until the process is gone."""
    deadline = time.monotonic() + seconds
    while processes.is_alive(one) and time.monotonic() < deadline:
        time.sleep(0.01)


def rotate_log(home: Path) -> bool:
    """Put a large log aside; whether that was done."""
    log = home / LOG
    with suppress(OSError):  # none yet, or a system that does not rename open files: it goes on growing
        if log.stat().st_size > LOG_BYTES:
            os.replace(log, log.with_name(f"{LOG}.1"))
            return True
    return False


def _my_turn(home: Path) -> bool:
    """Whether this process is the one to start a worker: the first to say so in five seconds."""
    now = time.time()
    turn = "UPDATE worker SET spawned = ? WHERE NOT spawned BETWEEN ? AND ? RETURNING only"
    return bool(database.write(home, turn, (now, now - 5, now)))


def _start(home: Path) -> subprocess.Popen[bytes]:
    """A worker in a session of its own, so that Ctrl+C in the terminal does not reach it."""
    if shutil.disk_usage(home).free == 0:
        raise DiskFull(home / LOG)
    rotate_log(home)
    posix = os.name == "posix"
    command = [sys.executable, "-P", "-m", "prune_core", "worker", "--parent", str(os.getpid())]
    environment = os.environ | {"LAYERSCOPE_HOME": str(home), "PYTHONPATH": _import_path()}
    with open(home / LOG, "ab") as log:
        child = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=posix,
            creationflags=0 if posix else 0x00000208,  # Windows: a process group of its own, detached
        )
    for pid in [pid for pid in _children if not psutil.pid_exists(pid)]:
        del _children[pid]
    _children[child.pid] = child
    return child


def _import_path() -> str:
    """PYTHONPATH for the worker: with this repository before the rest, where LayerScope runs from one. Installed, it is
    found as it is; its folder must not go before the standard library."""
    root, before = Path(__file__).resolve().parents[2], os.environ.get("PYTHONPATH")
    return os.pathsep.join(filter(None, [str(root) if (root / "pyproject.toml").exists() else "", before]))
