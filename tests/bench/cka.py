"""python -m tests.bench.cka: unbiased CKA of all pairs of states, against the literal computation a pair at a time.

The literal one takes every entry (i, j) of the map from the formula, as published code does: both Gram matrices anew,
their product for the trace, three HSIC_1 an entry. RBF CKA, which takes n^2 exponentials a state more, stands beside.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from prune_core.forward import capture
from prune_core.measure.similarity.linear_hsic import linear_hsics
from prune_core.measure.similarity.rbf import rbf_hsic_of_pairs
from tests.bench.random_llama import Cost, as_loaded, cost, random_batch, random_llama


def main() -> None:
    """Measure and print one table."""
    found = argparse.ArgumentParser(description=__doc__)
    for name, size in {"layers": 32, "hidden": 512, "tokens": 512, "threads": 0, "repeats": 5}.items():
        found.add_argument(f"--{name}", type=int, default=size)
    found.add_argument("--device", default="cpu")
    options = found.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = random_llama(options.layers, options.hidden, 512).to(options.device)
    loaded, batch = as_loaded(model), random_batch(max(1, options.tokens // 128), min(options.tokens, 128), 512)
    keeper = Keeper()
    capture.run(loaded, [batch], [keeper])
    states = keeper.states

    with torch.inference_mode():
        forward = best(lambda: capture.forward(loaded, batch), options.repeats)
        norms, none_massive = states.norm(dim=2), torch.zeros(states.shape[1], dtype=torch.bool)
        linear = best(lambda: linear_hsics(states, norms, none_massive), options.repeats)
        rbf = best(lambda: rbf_hsic_of_pairs(states), options.repeats)
        literal, expected = literal_cka(states)
    hsic = linear_hsics(states, norms, none_massive).every
    scale = 1 / np.sqrt(np.diag(hsic))
    worst = np.abs(hsic * np.outer(scale, scale) - expected).max()

    count, tokens, hidden = states.shape
    print(f"{count} states, {tokens} tokens, hidden {hidden}, {torch.get_num_threads()} threads")
    print(f"{'':34}{'seconds':>10}{'CPU s':>10}{'F':>9}{'peak memory':>14}")
    rows = {
        "bare forward pass (F)": forward,
        "all pairs, linear, and norm 1": linear,
        "all pairs, RBF": rbf,
        "literal, linear": literal,
    }
    for name, one in rows.items():
        peak = f"{one.peak_bytes / 2**20:,.0f} MiB"
        print(
            f"{name:34}{one.seconds:10.3f}{one.cpu_seconds:10.3f}{one.cpu_seconds / forward.cpu_seconds:9.2f}{peak:>14}"
        )
    by_clock, by_cpu = literal.seconds / linear.seconds, literal.cpu_seconds / linear.cpu_seconds
    print(f"literal / all pairs: {by_clock:.0f}x, CPU time {by_cpu:.0f}x, largest difference {worst:.1e}")


class Keeper:
    """Keeps the states of a batch, in float32."""

    states = torch.empty(0)

    def update(self, states: Tensor, lengths: Tensor) -> None:
        """As capture.Accumulator has it."""
        self.states = states.float().clone()


def best(work: Callable[[], object], repeats: int) -> Cost:
    """The quickest of `repeats`, after one to warm up: what other programs on the machine disturb least."""
    work()
    costs = []
    for _ in range(repeats):
        with cost() as found:
            work()
        costs.append(found)
        time.sleep(0.05)
    return min(costs, key=lambda c: c.cpu_seconds)


def literal_cka(states: Tensor) -> tuple[Cost, np.ndarray]:
    """CKA [S, S] from the formula, three HSIC_1 an entry."""
    values = np.ones((len(states),) * 2)
    with cost() as found:
        for i in range(len(states)):
            for j in range(len(states)):
                x, y = states[i], states[j]
                values[i, j] = literal_hsic(x, y) / (literal_hsic(x, x) * literal_hsic(y, y)).sqrt()
    return found, values


def literal_hsic(x: Tensor, y: Tensor) -> Tensor:
    """HSIC_1 of two states [n, D], as in Song et al. 2012, JMLR 13, eq. 5."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    k.fill_diagonal_(0)
    m.fill_diagonal_(0)
    first = torch.trace(k @ m)
    second = k.sum() * m.sum() / ((n - 1) * (n - 2))
    third = 2 * (k.sum(0) @ m.sum(1)) / (n - 2)
    return (first + second - third) / (n * (n - 3))


if __name__ == "__main__":
    main()
