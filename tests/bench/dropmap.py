"""python -m tests.bench.dropmap: the drop map against running every pruned model anew, in one run.

The baseline is preview's own: hooks that skip the block, then the loss of all sequences, a block at a time. It is run
on every n-th block (--every 1: all) and its time scaled up; it gives the loss only, while the map also gives KL.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from prune_core import capture, dropmap
from prune_core.capture import Batch
from prune_core.damage import DropMap, block_cells, real_blocks
from prune_core.transform.preview import planned, sequence_losses
from prune_core.types import drop_plan
from tests.bench.random_llama import Cost, as_loaded, cost, random_batch, random_llama


def main() -> None:
    """Measure and print one table."""
    options = parser().parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = random_llama(options.layers, options.hidden, options.vocab).to(options.device)
    batch = random_batch(options.sequences, options.length, options.vocab)
    tokens = options.sequences * options.length
    print(
        f"{options.layers} layers, hidden {options.hidden}, vocabulary {options.vocab}, {tokens} tokens, {where(model)}"
    )

    forward = forward_cost(model, batch)
    drops, ours, runs = our_map(model, batch)
    brute, theirs, brute_runs = brute_force(model, batch, options.every)
    cells = np.isfinite(brute)
    worst = np.abs(drops.loss - brute)[cells].max()

    blocks = int(real_blocks(options.layers).sum())
    scale = blocks / (cells.sum() / 2)
    print(f"{'':22}{'seconds':>10}{'F':>9}{'layer runs':>12}{'peak memory':>14}")
    line("bare forward pass (F)", forward, forward, 1, options.layers)
    line("drop map", ours, forward, 1, runs)
    line("brute force", theirs, forward, scale, round(brute_runs * scale))
    if scale > 1:
        print(f"  brute force was run on {round(blocks / scale)} of {blocks} blocks and scaled up")
    print(f"time {theirs.seconds * scale / ours.seconds:.2f}x, layer runs {brute_runs * scale / runs:.2f}x")
    print(f"largest difference of loss {worst:.1e}; change of loss {spread(drops)} nats/token")


def parser() -> argparse.ArgumentParser:
    """The sizes."""
    found = argparse.ArgumentParser(description=__doc__)
    sizes = {"layers": 32, "hidden": 512, "vocab": 8192, "sequences": 16, "length": 128, "every": 8, "threads": 0}
    for name, size in sizes.items():
        found.add_argument(f"--{name}", type=int, default=size)
    found.add_argument("--device", default="cpu")
    return found


def where(model) -> str:
    """The hardware in words."""
    on_gpu = model.device.type == "cuda"
    return torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"


def forward_cost(model, batch: Batch) -> Cost:
    """The median of three bare forward passes, after one to warm up."""
    loaded, costs = as_loaded(model), []
    with torch.inference_mode():
        capture.forward(loaded, batch)
        for _ in range(3):
            with cost() as found:
                capture.forward(loaded, batch)
            costs.append(found)
    return sorted(costs, key=lambda c: c.seconds)[1]


def our_map(model, batch: Batch) -> tuple[DropMap, Cost, int]:
    """The map, its cost, and how many layers were run, counted at their MLPs."""
    chunks: list[DropMap] = []
    with counting(model) as runs, cost() as found:
        drops = dropmap.measure_drops(model, [batch], keep=chunks.append)
    return drops, found, len(runs) // len(chunks)


def brute_force(model, batch: Batch, every: int) -> tuple[np.ndarray, Cost, int]:
    """Loss [L+1, L+1] of every n-th block, NaN elsewhere, the cost, and the layers run."""
    layers = len(as_loaded(model).stack.layers)
    cells = [(int(i), int(j)) for i, j in zip(*block_cells(layers), strict=True) if j - i < layers]
    values = np.full((layers + 1, layers + 1), np.nan)
    with counting(model) as runs, cost() as found:
        for start, stop in cells[every // 2 :: every]:
            with planned(model, drop_plan(layers, list(range(start, stop)))):
                losses = sequence_losses(model, [batch])
            values[start, stop] = values[stop, start] = losses.nll.sum() / losses.tokens.sum()
    return values, found, len(runs)


@contextmanager
def counting(model) -> Iterator[list[int]]:
    """Counts runs of layers over more than one token, by hooks on their MLPs; one entry a run."""
    runs: list[int] = []

    def note(_mlp, given, _output) -> None:
        if given[0].shape[1] > 1:
            runs.append(1)

    hooks = [layer.mlp.register_forward_hook(note) for layer in model.model.layers]
    try:
        yield runs
    finally:
        for hook in hooks:
            hook.remove()


def line(name: str, found: Cost, forward: Cost, scale: float, runs: int) -> None:
    """One row of the table."""
    seconds, peak = found.seconds * scale, f"{found.peak_bytes / 2**20:,.0f} MiB"
    print(f"{name:22}{seconds:10.2f}{seconds / forward.seconds:9.1f}{runs:12,}{peak:>14}")


def spread(drops: DropMap) -> str:
    """The range of the map, to show that it is not all zeros."""
    known = drops.delta[block_cells(drops.num_layers)]
    return f"{np.nanmin(known):+.4f} to {np.nanmax(known):+.4f}"


if __name__ == "__main__":
    main()
