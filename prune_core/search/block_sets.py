"""The best set of several blocks for a budget, from the drop map: predicted by adding up, then measured. No torch.

Any set of layers splits into maximal runs of neighbours, so sets of non-touching blocks cover all sets of layers. Their
damage is predicted as the sum over their blocks, which ignores how blocks interact; hence the measurement.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from prune_core.schema.errors import UserError
from prune_core.schema.plan import Block


@dataclass(frozen=True)
class Candidate:
    """Blocks to drop, sorted, none touching another. Damage in nats per token: `predicted` by adding up the blocks'
    own, `measured` on the model (None until then)."""

    blocks: tuple[Block, ...]
    predicted: float
    measured: float | None = None

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(layer for block in self.blocks for layer in block.layers)


def best_sets(damage: np.ndarray, budget: int, count: int = 5, most_blocks: int | None = None) -> list[Candidate]:
    """The `count` sets of `budget` layers with the least predicted damage, best first.

    damage: [L+1, L+1], the cost of block [i, j) at (i, j); blocks without a finite cost are not used. `most_blocks`
    limits the blocks of a set. Dynamic programming over (layer, layers still to drop, blocks left), each keeping its
    `count` best: O(L budget^2 count), times `budget` with a limit. Raises UserError for a budget outside 1..L-1.
    """
    layers = damage.shape[0] - 1
    if not 1 <= budget < layers:
        raise UserError(
            f"A budget of {budget} layers is not possible: this model has {layers}; choose 1 to {layers - 1}."
        )
    limit = budget if most_blocks is None else most_blocks
    if limit < 1 or count < 1:
        raise UserError(f"Cannot search for {count} sets of at most {limit} blocks: ask for at least 1 of each.")
    found = _suffixes(damage, budget, count, limit)
    return [Candidate(tuple(Block(i, j) for i, j in blocks), cost) for cost, blocks in found]


Chosen = tuple[float, tuple[tuple[int, int], ...]]


def _suffixes(damage: np.ndarray, budget: int, count: int, limit: int) -> list[Chosen]:
    """Builds, from the last layer down, the best ways to drop n layers of [p, L) in at most b blocks."""
    layers = damage.shape[0] - 1
    counted = limit < budget  # otherwise the number of blocks never binds, and one table is enough
    nothing: list[Chosen] = [(0.0, ())]
    table: dict[tuple[int, int, int], list[Chosen]] = {}

    def best(p: int, n: int, b: int) -> list[Chosen]:
        return nothing if n == 0 else table.get((min(p, layers), n, b), [])

    for p in range(layers - 1, -1, -1):
        for n in range(1, min(budget, layers - p) + 1):
            for b in range(1, limit + 1) if counted else (1,):
                left = b - 1 if counted else b
                ways = [best(p + 1, n, b)]  # layer p stays
                for q in range(p + 1, p + n + 1):  # block [p, q) goes and layer q, if there is one, stays
                    cost = float(damage[p, q])
                    if np.isfinite(cost) and (left > 0 or q - p == n):
                        rest = best(q + 1, n - (q - p), left)
                        ways.append([(cost + more, ((p, q), *blocks)) for more, blocks in rest])
                table[p, n, b] = heapq.nsmallest(count, (way for some in ways for way in some))
    return best(0, budget, limit if counted else 1)


def remeasured(candidates: list[Candidate], measure: Callable[[tuple[int, ...]], float]) -> list[Candidate]:
    """The candidates with their measured damage, best first.

    `measure`: layers to drop -> nats per token, such as the change in loss that a preview finds.
    """
    found = [replace(candidate, measured=measure(candidate.layers)) for candidate in candidates]
    return sorted(found, key=lambda c: float("inf") if c.measured is None else c.measured)
