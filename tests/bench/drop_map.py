"""python -m tests.bench.drop_map: the drop map against running every pruned model anew, in one run.

The baseline is preview's own: hooks that skip the block, then the loss of a batch as large as the app takes (--batch),
a block at a time. To spare time it is run on every n-th block (--every 1: all) and the map on the batch's first
--sequences; costs are told for all blocks over 1000 tokens. The baseline gives the loss only, the map also KL.

Half the layer runs bound the gain: on a CPU nine tenths of a layer's time are its matrix products, as fast in a small
batch as in a large one, and both sides apply the head once a block. Small chunks spare only what the rest takes.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from prune_core.cut.preview import planned
from prune_core.data.batches import Batch
from prune_core.forward import capture
from prune_core.measure import drop_map
from prune_core.schema.drop_map import DropMap, block_cells, real_blocks
from prune_core.schema.plan import drop_plan
from tests.bench.random_llama import Cost, as_loaded, cost, random_batch, random_llama
from tests.fixtures.by_hooks import sequence_losses


def main() -> None:
    """Measure and print one table."""
    options = parser().parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = random_llama(options.layers, options.hidden, options.vocab).to(options.device)
    batch = random_batch(options.batch, options.length, options.vocab)
    some = Batch(batch.input_ids[: options.sequences], batch.attention_mask[: options.sequences])
    print(f"{options.layers} layers, hidden {options.hidden}, vocabulary {options.vocab}, {where(model)}")
    print(f"map over {some.input_ids.numel()} tokens, brute force in a batch of {batch.input_ids.numel()}", flush=True)

    forward = forward_cost(model, batch)
    brute, theirs, brute_runs = brute_force(model, batch, options.every)
    drops, ours, runs = our_map(model, some)

    known, blocks = np.isfinite(brute[0]), int(real_blocks(options.layers).sum())
    worst = np.abs(drops.nll - brute[: options.sequences])[:, known].max() / (options.length - 1)
    per_map, per_batch = 1000 / some.input_ids.numel(), 1000 / batch.input_ids.numel()
    per_brute = per_batch * blocks / known.sum()
    f_seconds = forward.cpu_seconds * per_batch

    print(f"{'':22}{'seconds':>10}{'CPU s':>10}{'F':>9}{'layer runs':>12}{'peak memory':>14}")
    line("bare forward pass (F)", forward, per_batch, f_seconds, options.layers)
    line("drop map", ours, per_map, f_seconds, runs)
    line("brute force", theirs, per_brute, f_seconds, round(brute_runs * blocks / known.sum()))
    by_clock = theirs.seconds * per_brute / (ours.seconds * per_map)
    by_cpu = theirs.cpu_seconds * per_brute / (ours.cpu_seconds * per_map)
    by_runs = brute_runs * blocks / known.sum() / runs
    print(f"  brute force was run on {known.sum()} of {blocks} blocks")
    print(f"time {by_clock:.2f}x, CPU time {by_cpu:.2f}x, layer runs {by_runs:.2f}x")
    print(f"largest difference of loss {worst:.1e}; change of loss {spread(drops)} nats/token")


def parser() -> argparse.ArgumentParser:
    """The sizes."""
    found = argparse.ArgumentParser(description=__doc__)
    sizes = {"layers": 32, "hidden": 512, "vocab": 8192, "length": 128, "threads": 0}
    for name, size in {**sizes, "sequences": 8, "batch": 32, "every": 16}.items():
        found.add_argument(f"--{name}", type=int, default=size)
    found.add_argument("--device", default="cpu")
    return found


def where(model) -> str:
    """The hardware in words."""
    on_gpu = model.device.type == "cuda"
    return torch.cuda.get_device_name() if on_gpu else f"CPU, threads: {torch.get_num_threads()}"


def forward_cost(model, batch: Batch) -> Cost:
    """The cheapest of three bare forward passes, after one to warm up."""
    loaded, costs = as_loaded(model), []
    with torch.inference_mode():
        capture.forward(loaded, batch)
        for _ in range(3):
            with cost() as found:
                capture.forward(loaded, batch)
            costs.append(found)
    return min(costs, key=lambda c: c.cpu_seconds)


def our_map(model, batch: Batch) -> tuple[DropMap, Cost, int]:
    """The map, its cost, and how many layers were run for each chunk, counted at their MLPs."""
    chunks: list[DropMap] = []
    with counting(model) as runs, cost() as found:
        drops = drop_map.measure_drops(model, [batch], keep=chunks.append)
    return drops, found, len(runs) // len(chunks)


def brute_force(model, batch: Batch, every: int) -> tuple[np.ndarray, Cost, int]:
    """Loss [B, P] of every n-th block, NaN elsewhere, the cost, and the layers run."""
    layers = model.config.num_hidden_layers
    starts, stops = block_cells(layers)
    values = np.full((len(batch.input_ids), len(starts)), np.nan)
    with counting(model) as runs, cost() as found:
        for block in np.flatnonzero(real_blocks(layers))[every // 2 :: every]:
            with planned(model, drop_plan(layers, list(range(starts[block], stops[block])))):
                values[:, block] = sequence_losses(model, [batch]).nll
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


def line(name: str, found: Cost, scale: float, f_seconds: float, runs: int) -> None:
    """One row of the table; `scale`: to all blocks and 1000 tokens; `f_seconds`: processor time of F."""
    seconds, cpu = found.seconds * scale, found.cpu_seconds * scale
    peak = f"{found.peak_bytes / 2**20:,.0f} MiB"
    print(f"{name:22}{seconds:10.2f}{cpu:10.2f}{cpu / f_seconds:9.1f}{runs:12,}{peak:>14}", flush=True)


def spread(drops: DropMap) -> str:
    """The range of the map, to show that it is not all zeros."""
    known = drops.delta[block_cells(drops.num_layers)]
    return f"{np.nanmin(known):+.4f} to {np.nanmax(known):+.4f}"


if __name__ == "__main__":
    main()
