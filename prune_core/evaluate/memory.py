"""What a model takes: parameters, weight bytes, KV cache, peak memory during prefill and decode, bytes on disk."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel

from prune_core.evaluate.generate import greedy
from prune_core.forward.calling import require_context, synchronise, tail_logits
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import SpeedSettings
from prune_core.schema.reports import Metric

CACHE_PROBE = (2, 4)
"""Two sequence lengths whose caches are compared, so that states of constant size do not count as growth; both are
short, so that no sliding window is full."""


def memory(
    model: PreTrainedModel, folder: Path | None = None, settings: SpeedSettings | None = None
) -> tuple[Metric, ...]:
    """Parameters, weight bytes, KV-cache bytes per token, peak memory, and bytes on disk if `folder` is given.

    Tied weights count once. The peak is that of one prefill and decode with the lengths in `settings`, including the
    weights but no other models in memory; its `note` says how it was measured. UserError if `folder` has no weights.
    """
    settings = settings or SpeedSettings()
    tokens = settings.prompt_tokens + settings.new_tokens
    require_context(model, tokens, "Prompt and new tokens for the memory test are", "choose shorter ones")
    peak, how = _peak_bytes(model, settings)
    task = f"batch {settings.batch}, {settings.prompt_tokens} + {settings.new_tokens} tokens"
    cache_note = "keys and values of one sequence; layers with a sliding window stop growing at its length"
    found = [
        _metric("parameters", "", "", sum(p.numel() for p in model.parameters()), "tied weights once"),
        _metric("weights", "", "bytes", weight_bytes(model), f"in memory, {str(model.dtype).removeprefix('torch.')}"),
        _metric("KV cache per token", "", "bytes", cache_bytes_per_token(model), cache_note),
        _metric("peak memory", task, "bytes", peak, how),
    ]
    return tuple(found) if folder is None else (*found, _disk(folder))


def weight_bytes(model: PreTrainedModel) -> int:
    """Bytes of all parameters and buffers; shared ones once."""
    held = {t.data_ptr(): t.nbytes for t in (*model.parameters(), *model.buffers())}
    return sum(held.values())


def cache_bytes_per_token(model: PreTrainedModel) -> float:
    """Bytes by which the cache of one sequence grows with each token, from the caches of two short sequences."""
    short, long = (_cache_bytes(model, length) for length in CACHE_PROBE)
    return (long - short) / (CACHE_PROBE[1] - CACHE_PROBE[0])


@torch.inference_mode()
def _cache_bytes(model: PreTrainedModel, length: int) -> int:
    ids = torch.zeros((1, length), dtype=torch.long, device=model.device)
    _, cache = tail_logits(model, ids, 1, use_cache=True)
    layers = getattr(cache, "layers", None)
    if layers is None:
        raise UserError(f"Models of type {model.config.model_type} keep no KV cache to measure: choose another model.")
    return sum(t.nbytes for layer in layers for t in vars(layer).values() if isinstance(t, torch.Tensor))


def _peak_bytes(model: PreTrainedModel, settings: SpeedSettings) -> tuple[int, str]:
    """Peak bytes of one prefill and decode, weights included, and how they were measured."""
    counted = _cuda_peak if model.device.type == "cuda" else _tensor_peak
    with counted(model) as above:
        ids = torch.zeros((settings.batch, settings.prompt_tokens), dtype=torch.long, device=model.device)
        stream = greedy(model, ids)
        for _ in range(settings.new_tokens):
            next(stream)
        synchronise(model)
    how = {
        _cuda_peak: "weights plus the most that torch allocated above them (torch.cuda.max_memory_allocated)",
        _tensor_peak: "weights plus the most bytes of tensors alive at once; scratch inside kernels not seen",
    }[counted]
    return weight_bytes(model) + above[0], how


@contextmanager
def _cuda_peak(model: PreTrainedModel) -> Iterator[list[int]]:
    """Yields a list whose one number becomes the peak of allocated bytes above those at the start."""
    above = [0]
    synchronise(model)
    before = torch.cuda.memory_allocated(model.device)
    torch.cuda.reset_peak_memory_stats(model.device)
    yield above
    above[0] = torch.cuda.max_memory_allocated(model.device) - before


@contextmanager
def _tensor_peak(model: PreTrainedModel) -> Iterator[list[int]]:
    """The same from the storages of all tensors that operations return: exactly reproducible, on any device.

    The process's resident memory would not do: allocators keep what is freed, so it hardly moves for a small model.
    """
    above = [0]
    weights = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    with _LiveStorages(weights) as live:
        yield above
    above[0] = live.peak


class _LiveStorages(TorchDispatchMode):
    """Counts the bytes of storages made by operations while they are alive; `known` ones are not counted."""

    def __init__(self, known: set[int]) -> None:
        super().__init__()
        self.alive, self.peak, self._seen = 0, 0, known

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._seen:
            return
        self._seen.add(storage._cdata)
        self.alive += storage.nbytes()
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.alive -= size


def _disk(folder: Path) -> Metric:
    """Bytes of the folder's safetensors files, or of its older weight files if it has none."""
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        sizes = [file.stat().st_size for file in sorted(Path(folder).glob(pattern))]
        if sizes:
            return _metric("checkpoint", "", "bytes", sum(sizes), "weight files on disk")
    raise UserError(f"There are no weight files in {folder}: give the folder of a checkpoint.")


def _metric(name: str, task: str, unit: str, value: float, note: str) -> Metric:
    return Metric(name, task, float(value), unit, higher_is_better=False, note=note)
