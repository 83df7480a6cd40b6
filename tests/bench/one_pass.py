"""python -m tests.bench.one_pass: what measuring all layers costs, in F, one bare forward pass over the same tokens.

F is the base model over the same passes: no logits, no cache. The parts run in turns, round after round, so that a busy
machine slows all alike; a ratio is the median over rounds. Where other work shares the cores, processor time with
--threads 1 is the fairer clock. All texts are of equal length, so that padding plays no part.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import torch

from prune_core.data.batches import Batch
from prune_core.forward import capture
from prune_core.measure.similarity.cka import MinibatchCKA
from prune_core.measure.similarity.norm_record import NormRecord
from prune_core.measure.similarity.one_pass import measure_all
from prune_core.measure.similarity.tokens import TokenMeasures
from prune_core.measure.similarity.windows import Reader, Windows
from prune_core.model.load import LoadedModel, load
from prune_core.schema import demo
from prune_core.schema.inputs import ModelRef
from tests.bench.random_llama import as_loaded, cost, random_batch, random_llama

BAR = 1.15


def main() -> None:
    """Measure and print one table a model."""
    found = argparse.ArgumentParser(description=__doc__)
    for name, size in {"sequences": 8, "length": 128, "batches": 4, "repeats": 9, "threads": 0}.items():
        found.add_argument(f"--{name}", type=int, default=size)
    found.add_argument("--cka-tokens", type=int, default=256)
    found.add_argument("--only", choices=["demo", "random"])
    found.add_argument("--device", default="cpu")
    found.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    options = found.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    for name, loaded in models(options):
        shape = (options.sequences, options.length, loaded.info.vocab_size)
        batches = [random_batch(*shape, seed=seed) for seed in range(options.batches)]
        print(
            f"\n{name}: {options.batches} batches of {options.sequences} x {options.length} tokens, {options.dtype}, "
            f"{options.device}, {torch.get_num_threads()} threads, {options.repeats} rounds"
        )
        show(parts(loaded, batches, options.cka_tokens), options.repeats)


def models(options: argparse.Namespace) -> Iterator[tuple[str, LoadedModel]]:
    """The demo model, where it is there, and a random 32-layer Llama of hidden size 512."""
    if options.only != "random" and (demo.DEMO_MODEL / "config.json").is_file():
        yield "demo model", load(ModelRef("demo", device=options.device, dtype=options.dtype))
    if options.only != "demo":
        model = random_llama()
        torch.nn.Module.to(model, device=options.device, dtype=getattr(torch, options.dtype))
        yield "random Llama, 32 layers, hidden 512", as_loaded(model)


def parts(loaded: LoadedModel, batches: list[Batch], cka_tokens: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name; the first is F."""
    states = len(loaded.stack.layers) + 1

    limit = capture.CPU_PASS_TOKENS if loaded.info.device == "cpu" else capture.GPU_PASS_TOKENS

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                for _, part in capture.passes(batch, limit):
                    capture.forward(loaded, part)

    def with_logits() -> None:
        with torch.inference_mode():
            for batch in batches:
                for _, part in capture.passes(batch, limit):
                    ids, mask = (t.to(loaded.model.device) for t in (part.input_ids, part.attention_mask))
                    loaded.model(input_ids=ids, attention_mask=mask, use_cache=False)

    def read(reader: Reader) -> None:
        windows = Windows(cka_tokens, [reader])
        capture.run(loaded, batches, [windows])
        windows.finish()

    return {
        "bare forward (F)": bare,
        "forward with logits": with_logits,
        "states only": lambda: capture.run(loaded, batches, []),
        "windows and norms": lambda: read(NormRecord()),
        "cosine and angular": lambda: read(TokenMeasures(states)),
        f"CKA {cka_tokens}": lambda: read(MinibatchCKA()),
        "everything": lambda: measure_all(loaded, batches, cka_tokens),
    }


def show(timed: dict[str, Callable[[], object]], repeats: int) -> None:
    """Time all of `timed` in turns and print seconds, ratios to F by clock and by processor, and memory."""
    clock: dict[str, list[float]] = {name: [] for name in timed}
    processor: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(repeats + 1):
        for name, run in timed.items():
            begun, cpu_begun = time.perf_counter(), time.process_time()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:  # the first warms up
                clock[name].append(time.perf_counter() - begun)
                processor[name].append(time.process_time() - cpu_begun)
    first = next(iter(timed))
    print(f"{'':22}{'ms':>9}{'/F':>8}{'CPU ms':>9}{'/F':>8}{'peak MiB':>10}")
    for name, run in timed.items():
        with cost() as memory:
            run()
        by_clock, by_processor = ratio(clock[name], clock[first]), ratio(processor[name], processor[first])
        print(
            f"{name:22}{1e3 * statistics.median(clock[name]):9.0f}{by_clock:8.3f}"
            f"{1e3 * statistics.median(processor[name]):9.0f}{by_processor:8.3f}{memory.peak_bytes / 2**20:10.1f}"
        )
    print(f"bar for everything: {BAR} F")


def ratio(some: list[float], base: list[float]) -> float:
    """The median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(some, base, strict=True))


if __name__ == "__main__":
    main()
