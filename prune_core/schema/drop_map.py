"""What dropping each contiguous block of layers costs: the measured numbers and what follows from them. No torch.

A block [i, j) is at cells (i, j) and (j, i), as in the similarity maps, so that the two can be compared side by side.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prune_core.schema.plan import Block
from prune_core.schema.stats import ratio_stderrs


def block_cells(num_layers: int) -> tuple[np.ndarray, np.ndarray]:
    """All blocks [i, j) of L layers as two int64 [P], P = L (L + 1) / 2, in the order of DropMap's columns."""
    return np.triu_indices(num_layers + 1, k=1)


def real_blocks(num_layers: int) -> np.ndarray:
    """Which of the P blocks leave at least one layer: bool [P]."""
    starts, stops = block_cells(num_layers)
    return stops - starts < num_layers


@dataclass(frozen=True)
class DropMap:
    """The exact damage of every block, in sums over the predicted tokens of each of S sequences (of `planned` in all).

    `places`: int64 [S], which of the text's sequences each row belongs to;
    `nll`: float64 [S, P], the next-token negative log likelihood in nats without block p (see `block_cells`);
    `kl`: float64 [S, P], KL(donor || pruned) in nats; `donor_nll`: float64 [S]; `tokens`: int64 [S], predicted tokens.
    Dropping all layers is not a plan: NaN. All maps below are float64 [L+1, L+1], in nats per token, and symmetric.
    """

    num_layers: int
    places: np.ndarray
    nll: np.ndarray
    kl: np.ndarray
    donor_nll: np.ndarray
    tokens: np.ndarray
    planned: int
    seconds: float = 0.0

    @property
    def sequences(self) -> int:
        return len(self.tokens)

    @cached_property
    def donor_loss(self) -> float:
        """Mean loss of the whole model, nats per token."""
        return float(self.donor_nll.sum() / self.tokens.sum())

    @cached_property
    def delta(self) -> np.ndarray:
        """Loss without the block minus the donor's; 0 on the diagonal, where nothing is dropped."""
        return self._map(self._mean(self.nll - self.donor_nll[:, None]))

    @cached_property
    def loss(self) -> np.ndarray:
        """Mean loss without the block."""
        return self.donor_loss + self.delta

    @cached_property
    def delta_stderr(self) -> np.ndarray:
        """Standard error of `delta` over sequences, paired with the donor; NaN for one sequence."""
        return self._map(ratio_stderrs(self.nll - self.donor_nll[:, None], self.tokens))

    @cached_property
    def divergence(self) -> np.ndarray:
        """Mean KL(donor || pruned) per token."""
        return self._map(self._mean(self.kl))

    @cached_property
    def divergence_stderr(self) -> np.ndarray:
        """Standard error of `divergence` over sequences; NaN for one sequence."""
        return self._map(ratio_stderrs(self.kl, self.tokens))

    def _mean(self, sums: np.ndarray) -> np.ndarray:
        return sums.sum(0) / self.tokens.sum()

    def _map(self, blocks: np.ndarray) -> np.ndarray:
        cells = np.zeros((self.num_layers + 1,) * 2)
        starts, stops = block_cells(self.num_layers)
        cells[starts, stops] = cells[stops, starts] = blocks
        return cells


def least_damage(damage: np.ndarray) -> list[tuple[Block, float]]:
    """For each block size 1..L-1 the block that costs least, and its cost; damage: [L+1, L+1], NaN is skipped."""
    found = []
    for size in range(1, damage.shape[0] - 1):
        along = np.diagonal(damage, offset=size)
        if np.isfinite(along).any():
            start = int(np.nanargmin(along))
            found.append((Block(start, start + size), float(along[start])))
    return found


def damage_csv(drops: DropMap) -> str:
    """All blocks but the whole model as CSV text: start, stop (half-open), and the four maps in nats per token."""
    lines = ["start,stop,delta_loss,delta_loss_stderr,kl,kl_stderr"]
    maps = (drops.delta, drops.delta_stderr, drops.divergence, drops.divergence_stderr)
    for i, j in zip(*block_cells(drops.num_layers), strict=True):
        if j - i < drops.num_layers:
            lines.append(f"{i},{j}," + ",".join(f"{values[i, j]:.9g}" for values in maps))
    return "\n".join(lines) + "\n"
