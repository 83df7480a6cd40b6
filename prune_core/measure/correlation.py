"""Does similarity predict damage? Rank correlation of every similarity measure to the measured drop map. No torch."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from prune_core.schema.drop_map import DropMap, block_cells, real_blocks
from prune_core.schema.errors import UserError
from prune_core.schema.measures import LayerStats, alike

Damage = Literal["loss", "kl"]
FEWEST = 3
"""A rank correlation over fewer blocks than this is meaningless."""


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation of unlikeness by `measure` with damage, in [-1, 1].

    1: the more alike a block's two ends, the less dropping it costs, without exception. `overall`: all blocks.
    `by_size`: float64 [L], within blocks of n layers at index n, NaN for sizes with fewer than 3 blocks (0 and the
    largest). `within`: the mean of `by_size`, each size weighing as many as it has blocks: what the measure tells
    beyond "longer blocks cost more".
    """

    measure: str
    overall: float
    within: float
    by_size: np.ndarray


def correlations(stats: LayerStats, drops: DropMap, damage: Damage = "loss") -> list[RankCorrelation]:
    """How well each measure of `stats` predicts the damage of each block, the best (overall) first."""
    if stats.num_layers != drops.num_layers:
        raise UserError(
            f"The similarities are of {stats.num_layers} layers and the drop map of {drops.num_layers}: "
            "measure both on the same model."
        )
    values = drops.delta if damage == "loss" else drops.divergence
    found = [rank_correlation(name, stats.values[name], values) for name in stats.values]
    return sorted(found, key=lambda each: -np.nan_to_num(each.overall, nan=-2.0))


def rank_correlation(name: str, similarity: np.ndarray, damage: np.ndarray) -> RankCorrelation:
    """That of measure `name`; similarity, damage: [L+1, L+1]. Blocks without a finite damage are left out."""
    layers = damage.shape[0] - 1
    starts, stops = block_cells(layers)
    unlike, cost, sizes = -alike(name, similarity)[starts, stops], damage[starts, stops], stops - starts
    usable = real_blocks(layers) & np.isfinite(cost) & np.isfinite(unlike)
    by_size = np.full(layers, np.nan)
    counts = np.zeros(layers)
    for size in range(1, layers):
        some = usable & (sizes == size)
        by_size[size], counts[size] = spearman(unlike[some], cost[some]), some.sum()
    known = np.isfinite(by_size)
    within = float(np.average(by_size[known], weights=counts[known])) if known.any() else float("nan")
    return RankCorrelation(name, spearman(unlike[usable], cost[usable]), within, by_size)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of two [n] arrays, ties given their average rank; NaN where it is not defined
    (fewer than 3 values, or one side all equal)."""
    # Imported here: scipy.stats takes 0.7 s, and a page that shows no correlation should not wait for it.
    from scipy.stats import rankdata

    if len(a) < FEWEST or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
