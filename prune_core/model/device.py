"""Which device and dtype a model gets, and how much memory is free there."""

from pathlib import Path

import psutil
import torch

from prune_core.schema.errors import UserError

HEADROOM = 1.2
"""A model is loaded only if its weights times this fit in free memory: activations and buffers need the rest."""


def choose_device(asked: str) -> str:
    """`asked`, or for "auto" the first available of cuda, mps, cpu. UserError for an unavailable device."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return next(name for name, found in there.items() if found)
    kind, _, number = asked.partition(":")
    if not there.get(kind, False) or (kind == "cuda" and number and int(number) >= torch.cuda.device_count()):
        usable = ", ".join(name for name, found in there.items() if found)
        raise UserError(f"There is no device {asked!r} on this machine: choose one of {usable}, or auto.")
    return asked


def choose_dtype(asked: str, stored: str, device: str) -> str:
    """`asked`, or for "auto" the checkpoint's own dtype where the device computes in it, else float32.

    A CPU computes in bfloat16 where it has instructions for that, and then about twice as fast as in float32; float16
    it never does. Similarities are computed in float32 whatever the model's dtype.
    """
    if asked != "auto":
        return asked
    if device == "cpu":
        return stored if stored == "bfloat16" and cpu_has_bfloat16() else "float32"
    if stored == "bfloat16" and device.startswith("cuda") and not torch.cuda.is_bf16_supported():
        return "float32"
    return stored


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware, as torch tells: AVX-512 BF16, AMX, or Arm's BF16."""
    told = torch.cpu.get_capabilities()
    return any(bool(told.get(name)) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))


def free_bytes(device: str) -> int:
    """Free memory of `device` in bytes, including what torch holds in reserve, within a container's limit."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    available = psutil.virtual_memory().available
    if device == "mps":
        spare = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return max(0, min(available, spare))
    return min(available, _container_spare())


def _container_spare(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """What the container's memory limit leaves (cgroup v2); practically infinite if there is no limit."""
    try:
        limit, used = (cgroup / "memory.max").read_text().strip(), int((cgroup / "memory.current").read_text())
        reclaimable = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except OSError:  # no cgroup v2 here, or the root group, which has no limit
        return 2**63
    return 2**63 if limit == "max" else max(0, int(limit) - used + int(reclaimable.get("inactive_file", 0)))
