"""What the benches of methods share: sizes from the command line, time and memory of a piece of work, one table.

Beside the seconds that pass stand those of the processor, which a busy machine disturbs less; the ratio is of those.
"""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from prune_core.data.batches import Batch
from prune_core.forward import capture
from tests.bench.random_llama import as_loaded, cost, random_llama

T = TypeVar("T")


class Row(NamedTuple):
    """One line of the table: wall clock and processor seconds, and the most memory beyond what was held before."""

    name: str
    seconds: float
    processor: float
    peak_bytes: int


def sizes(description: str | None, **defaults: float) -> argparse.Namespace:
    """The sizes, each an option; 32 layers, hidden 512 and one thread unless said otherwise."""
    found = argparse.ArgumentParser(description=description)
    for name, default in {"layers": 32, "hidden": 512, "vocab": 8192, "threads": 1, **defaults}.items():
        found.add_argument(f"--{name}", type=type(default), default=default)
    options = found.parse_args()
    torch.set_num_threads(options.threads)
    return options


def alike_llama(options: argparse.Namespace, difference: float = 0.25) -> LlamaForCausalLM:
    """The random Llama with weights, too, that are alike: each layer's is the first one's and a part of its own."""
    model = random_llama(options.layers, options.hidden, options.vocab)
    first, *others = model.model.layers
    for layer in others:
        for own, common in zip(layer.parameters(), first.parameters(), strict=True):
            own.lerp_(common, 1 - difference)
    return model


def done(name: str, work: Callable[[], T]) -> tuple[T, Row]:
    """The result of `work` and what it took."""
    with cost() as found:
        begun = time.process_time()
        result = work()
        processor = time.process_time() - begun
    return result, Row(name, found.seconds, processor, found.peak_bytes)


def forward_row(model: LlamaForCausalLM, batches: list[Batch], name: str = "bare forward pass (F)") -> Row:
    """The quickest of three bare forward passes over the batches, after one to warm up."""
    loaded = as_loaded(model)

    def passes() -> None:
        for batch in batches:
            capture.forward(loaded, batch)

    with torch.inference_mode():
        passes()
        return min((done(name, passes)[1] for _ in range(3)), key=lambda row: row.processor)


def padded(sentences: list[Tensor]) -> Batch:
    """All sentences, int64 [1, T] each, as one batch, padded on the right."""
    longest = max(ids.shape[1] for ids in sentences)
    ids, mask = torch.zeros(len(sentences), longest, dtype=torch.int64), torch.zeros(len(sentences), longest)
    for row, one in enumerate(sentences):
        ids[row, : one.shape[1]] = one[0]
        mask[row, : one.shape[1]] = 1
    return Batch(ids, mask.long())


def one_by_one(sentences: list[Tensor]) -> list[Batch]:
    """Each sentence a batch of its own."""
    return [Batch(ids, torch.ones_like(ids)) for ids in sentences]


def random_sentences(lengths: list[int], vocab: int, seed: int = 0) -> list[Tensor]:
    """Random token ids, int64 [1, T] each."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(vocab, (1, length), generator=generator) for length in lengths]


def show(forward: Row, baseline: Row, ours: list[Row], also: tuple[Row, ...] = ()) -> None:
    """The table: everything in seconds and in F, and how many times faster than the baseline ours are."""
    print(f"{torch.get_num_threads()} threads")
    print(f"{'':36}{'seconds':>10}{'processor s':>13}{'F':>9}{'peak memory':>14}{'faster':>9}")
    for row in (forward, *also, baseline, *ours):
        peak, faster = f"{row.peak_bytes / 2**20:,.0f} MiB", ""
        if row in ours:
            faster = f"{baseline.processor / row.processor:.1f}x"
        in_forwards = row.processor / forward.processor
        print(f"{row.name:36}{row.seconds:10.2f}{row.processor:13.2f}{in_forwards:9.1f}{peak:>14}{faster:>9}")
