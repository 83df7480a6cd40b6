"""The model that costs are measured on: a random Llama whose neighbouring layers are alike, as in trained models."""

import ctypes
import ctypes.util
import gc
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from prune_core.data.batches import Batch
from prune_core.model.load import LoadedModel
from prune_core.model.stack import find_stack
from prune_core.schema.inputs import ModelInfo, ModelRef


def random_llama(layers: int = 32, hidden: int = 512, vocab: int = 8192, seed: int = 0) -> LlamaForCausalLM:
    """A float32 Llama with 8 heads and an MLP of 8/3 hidden; what layers add is scaled by 1 / sqrt(2 L)."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=math.ceil(hidden * 8 / 3 / 32) * 32,
        num_hidden_layers=layers,
        num_attention_heads=8,
        max_position_embeddings=2048,
        initializer_range=0.04,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.div_(math.sqrt(2 * layers))
        layer.mlp.down_proj.weight.div_(math.sqrt(2 * layers))
    return model


def random_batch(sequences: int, length: int, vocab: int, seed: int = 0) -> Batch:
    """Sequences of random tokens, without padding."""
    ids = torch.randint(vocab, (sequences, length), generator=torch.Generator().manual_seed(seed))
    return Batch(ids, torch.ones_like(ids))


def as_loaded(model: LlamaForCausalLM) -> LoadedModel:
    """`model` as the engine's functions take it, without a tokenizer or files."""
    ref, config = ModelRef("random"), model.config
    info = ModelInfo(
        ref=ref,
        family="llama",
        num_layers=config.num_hidden_layers,
        hidden_size=config.hidden_size,
        vocab_size=config.vocab_size,
        context_length=config.max_position_embeddings,
        parameters=model.num_parameters(),
        weight_bytes=4 * model.num_parameters(),
        stored_dtype="float32",
        dtype="float32",
        device=str(model.device),
        free_bytes=0,
    )
    return LoadedModel(ref, model, None, find_stack(model), info, Path())


class Cost:
    """Seconds by the clock and of all processors, and the most memory held beyond what was held at the start, in bytes.

    On a busy machine, one thread's processor time is the fairer of the two.
    """

    seconds = 0.0
    cpu_seconds = 0.0
    peak_bytes = 0


@contextmanager
def cost() -> Iterator[Cost]:
    """Measures what happens inside; memory by looking every 10 ms (on CUDA the allocator's own peak)."""
    found, over = Cost(), threading.Event()
    process = psutil.Process()
    _give_back_freed_memory()
    before = process.memory_info().rss
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()

    def watch() -> None:
        while not over.wait(0.01):
            found.peak_bytes = max(found.peak_bytes, process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    if not cuda:
        watcher.start()
    begun, cpu_begun = time.perf_counter(), time.process_time()
    try:
        yield found
    finally:
        if cuda:
            torch.cuda.synchronize()
            found.peak_bytes = torch.cuda.max_memory_allocated() - before
        found.seconds, found.cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu_begun
        over.set()
        if not cuda:
            watcher.join()


def _give_back_freed_memory() -> None:
    """Makes glibc return what was freed, or memory that is used again would not show as growth."""
    gc.collect()
    name = ctypes.util.find_library("c")
    libc = ctypes.CDLL(name) if name else None
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
