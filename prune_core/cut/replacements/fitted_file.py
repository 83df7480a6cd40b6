"""Fitted weights and curves in one safetensors file, written whole or not at all."""

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from prune_core.cut.replacements.fit_plan import Curves
from prune_core.store.files import whole

REPLACEMENT = "replacement.safetensors"
CURVE = "curve."


def save_fitted(file: Path, weights: dict[str, Tensor], curves: Curves) -> None:
    """Write `file`, creating its folder if needed."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    tensors |= {f"{CURVE}{name}": torch.from_numpy(curve) for name, curve in curve_arrays(curves).items()}
    with whole(file) as unfinished:
        save_file(tensors, unfinished)


def load_weights(file: Path | None) -> dict[str, Tensor]:
    """The weights in `file`, as returned by `fit_plan`; none if there is no file."""
    return {name: tensor for name, tensor in _read(file).items() if not name.startswith(CURVE)}


def load_curves(file: Path | None) -> dict[str, np.ndarray]:
    """The curves in `file`, by "start-stop", as float64 [points, 3] of step, training and held-back loss."""
    return {name.removeprefix(CURVE): tensor.numpy() for name, tensor in _read(file).items() if name.startswith(CURVE)}


def curve_arrays(curves: Curves) -> dict[str, np.ndarray]:
    """Curves as float64 [points, 3]."""
    return {name: np.array(points, dtype=np.float64).reshape(-1, 3) for name, points in curves.items()}


def _read(file: Path | None) -> dict[str, Tensor]:
    if file is None:
        return {}
    with safe_open(file, "pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  it is not a mapping
