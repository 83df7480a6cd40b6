"""Do the kept layers still compute what they did? Compares every plain setting of their modules, before and after.

Tensors are compared by build.py; this looks at the rest: windows, layer types, scales, expert or dense, and the layer
numbers that the key-value cache goes by.
"""

from typing import Any

import torch
from torch import nn

from prune_core.schema.errors import UserError

LAYER_NUMBER_NAMES = ("layer_idx", "layer_id", "layer_number", "layer_index", "block_idx")
"""Attributes that hold the layer's own number (plus a constant in some families)."""

RUN_STATE = ("training", "gradient_checkpointing", "forward")
"""How a module is being used just now, not what it computes; hooks of other libraries put their own `forward` there."""

PLAIN = (bool, int, float, str, bytes, type(None), torch.dtype)


def check(donor: nn.ModuleList, new: nn.ModuleList, kept: tuple[int, ...]) -> None:
    """Raises UserError where layer `kept[n]` of `donor` and layer n of `new` differ in anything but their number."""
    if len(new) != len(kept):
        raise UserError(
            f"The cut model has {len(new)} layers where {len(kept)} were planned: choose a model of another family."
        )
    for number, old in enumerate(kept):
        difference = _difference(donor[old], new[number], number - old, kept)
        if difference:
            raise UserError(
                f"Layer {old} would compute something else as layer {number} ({difference}), so this cut of a "
                f"{type(donor[old]).__name__} cannot be exact: choose other layers."
            )


def _difference(old: nn.Module, new: nn.Module, shift: int, kept: tuple[int, ...]) -> str:
    """The first setting that differs, in words; empty when the layers agree. `shift` is the change of the number."""
    olds, news = dict(old.named_modules()), dict(new.named_modules())
    if olds.keys() != news.keys():
        return f"module {min(olds.keys() ^ news.keys())}"
    for path, module in olds.items():
        if type(module) is not type(news[path]):
            return f"{path} is a {type(news[path]).__name__}"
        was, now = _settings(module), _settings(news[path])
        for name in was.keys() | now.keys():
            expected, found = was.get(name), now.get(name)
            if name in LAYER_NUMBER_NAMES and isinstance(expected, int):
                expected += shift
            if found != expected and not _is_cut_list(expected, found, kept):
                return f"{path}.{name} {found} instead of {expected}".lstrip(".")
    return ""


def _is_cut_list(old: Any, new: Any, kept: tuple[int, ...]) -> bool:
    """Whether a layer holds the whole model's per-layer list (GPT-Neo does), cut to the kept layers."""
    return isinstance(old, list) and len(old) > kept[-1] and new == [old[layer] for layer in kept]


def _settings(module: nn.Module) -> dict[str, Any]:
    """The module's own plain attributes, and its functions by name."""
    found = {}
    for name, value in vars(module).items():
        if name.startswith("_") or name in RUN_STATE:
            continue
        if callable(value) and hasattr(value, "__qualname__"):
            found[name] = value.__qualname__
        elif _is_plain(value):
            found[name] = list(value) if isinstance(value, (list, tuple)) else value
    return found


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, PLAIN)
