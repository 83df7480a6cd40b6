"""The similarity measures by name: what each is called on screen and how to read it. No torch, so pages can know them.

`similarity/` holds how each is computed.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from prune_core.schema.norms import MassiveToken, Norms

Tokens = Literal["without", "all", "unit"]
"""Over which tokens a measure is taken: without massive ones (norms.py), all, or all with states scaled to norm 1."""


@dataclass(frozen=True)
class Measure:
    """One way to compare two hidden states. `alike_is_high` tells which end of the scale means redundant.

    `identical` is the value of a state with itself; `limits` is the range of all possible values that matter. `tokens`:
    over which tokens; measures of one `family` differ in nothing else, and its name is that of the one to begin with.
    """

    name: str
    label: str
    unit: str
    alike_is_high: bool
    identical: float
    limits: tuple[float, float]
    what: str
    source: str
    family: str
    tokens: Tokens


_SPARED = "Cosine similarity, no massive tokens", "Angular distance, no massive tokens"
_COSINE = "Mean cosine between the hidden states of each token; 1 means the layers in between only rescale."
_ANGLE = "Mean angle between the hidden states of each token, divided by π; 0 means the same direction."
_LAST = "The same angle at the last token of each text only, as in the block pruning paper."
_CKA = "How similar the relations between tokens are, up to rotation and scale; 0 is unrelated, 1 the same geometry."
_RBF = "CKA with a Gaussian kernel as wide as the median distance between tokens: near neighbours count most."
_HIGH, _LOW = (True, 1.0, (0.0, 1.0)), (False, 0.0, (0.0, 0.5))
_SHORTGPT, _UIDL = "arXiv 2403.03853", "arXiv 2403.17887"
_MINIBATCH, _KORNBLITH = "arXiv 2010.15327", "arXiv 1905.00414"

MEASURES: tuple[Measure, ...] = (
    Measure("cosine", "Cosine similarity", "", *_HIGH, _COSINE, _SHORTGPT, "cosine", "all"),
    Measure("cosine_without", _SPARED[0], "", *_HIGH, _COSINE, _SHORTGPT, "cosine", "without"),
    Measure("angular", "Angular distance", "of π", *_LOW, _ANGLE, _UIDL, "angular", "all"),
    Measure("angular_without", _SPARED[1], "of π", *_LOW, _ANGLE, _UIDL, "angular", "without"),
    Measure("angular_last", "Angular distance, last token", "of π", *_LOW, _LAST, _UIDL, "angular_last", "all"),
    Measure("cka", "Linear CKA (unbiased)", "", *_HIGH, _CKA, _MINIBATCH, "cka", "without"),
    Measure("cka_all", "Linear CKA (unbiased), all tokens", "", *_HIGH, _CKA, _MINIBATCH, "cka", "all"),
    Measure("cka_unit", "Linear CKA (unbiased), norm 1", "", *_HIGH, _CKA, _MINIBATCH, "cka", "unit"),
)  # fmt: skip
"""What every measurement holds."""

EXTRA_MEASURES: tuple[Measure, ...] = (
    Measure("cka_rbf", "RBF CKA (unbiased)", "", *_HIGH, _RBF, _KORNBLITH, "cka_rbf", "without"),
    Measure("cka_rbf_all", "RBF CKA (unbiased), all tokens", "", *_HIGH, _RBF, _KORNBLITH, "cka_rbf", "all"),
    Measure("cka_rbf_unit", "RBF CKA (unbiased), norm 1", "", *_HIGH, _RBF, _KORNBLITH, "cka_rbf", "unit"),
)  # fmt: skip
"""What is measured when asked for."""


@dataclass(frozen=True)
class LayerStats:
    """Similarity of all pairs of states. `values[m]`, `stderrs[m]`: float64 [L+1, L+1], m a name in MEASURES.

    `stderrs` are standard errors over calibration sequences (over minibatches of tokens for CKA). `norm_arrays`,
    `massive_tokens`, `excluded`: what `norms` is made of, apart because a result's arrays are kept by field; empty in
    results that know nothing of norms.
    """

    num_layers: int
    values: dict[str, np.ndarray]
    stderrs: dict[str, np.ndarray]
    sequences: int
    tokens: int
    seconds: float = 0.0
    norm_arrays: dict[str, np.ndarray] = field(default_factory=dict)
    massive_tokens: tuple[MassiveToken, ...] = ()
    excluded: int = 0

    @property
    def norms(self) -> Norms | None:
        """The norms of the states and the massive tokens; None where they were not measured."""
        if not self.norm_arrays:
            return None
        return Norms(**self.norm_arrays, excluded=self.excluded, examples=self.massive_tokens)


def measure(name: str) -> Measure:
    """The measure called `name`."""
    return next(m for m in MEASURES + EXTRA_MEASURES if m.name == name)


def measured(stats: LayerStats) -> tuple[Measure, ...]:
    """The measures that `stats` holds, in their order on screen."""
    return tuple(m for m in MEASURES + EXTRA_MEASURES if m.name in stats.values)


def families(stats: LayerStats) -> tuple[Measure, ...]:
    """The measure to begin with of each family that `stats` holds, in their order on screen."""
    return tuple(m for m in measured(stats) if m.name == m.family)


def over_tokens(stats: LayerStats, family: str) -> dict[Tokens, Measure]:
    """The measures of one family that `stats` holds, by the tokens they are taken over, the default first."""
    return {m.tokens: m for m in sorted(measured(stats), key=lambda m: m.name != family) if m.family == family}


def alike(name: str, values: np.ndarray) -> np.ndarray:
    """`values` turned so that higher always means more alike (angular distances negated). Any shape."""
    return values if measure(name).alike_is_high else -values


def block_influence(cosine: np.ndarray) -> np.ndarray:
    """Block Influence, [L]: 1 - mean cos(state l, state l+1) (arXiv 2403.03853, eq. 1); cosine: [L+1, L+1]."""
    return 1.0 - np.diagonal(cosine, offset=1)


def best_blocks(name: str, values: np.ndarray, protect_last: bool = False) -> list[tuple[int, int, float]]:
    """For each block size n = 1..L-1, the block whose ends are most alike, as (start, stop, value).

    values: [L+1, L+1] of measure `name`. `protect_last` keeps the last layer out of every block.
    """
    last_state = values.shape[0] - 1 - int(protect_last)
    found = []
    for size in range(1, min(last_state + 1, values.shape[0] - 1)):
        along = np.diagonal(values[: last_state + 1, : last_state + 1], offset=size)
        start = int(np.argmax(alike(name, along)))
        found.append((start, start + size, float(along[start])))
    return found


def stats_csv(stats: LayerStats) -> str:
    """All pairs i < j of states as CSV text: the block [i, j), then each measure and its standard error."""
    names = list(stats.values)
    lines = [",".join(["start", "stop", *(column for name in names for column in (name, f"{name}_stderr"))])]
    for i, j in zip(*np.triu_indices(stats.num_layers + 1, k=1), strict=True):
        pairs = (f"{array[i, j]:.9g}" for name in names for array in (stats.values[name], stats.stderrs[name]))
        lines.append(f"{i},{j}," + ",".join(pairs))
    return "\n".join(lines) + "\n"


def passing_cells(name: str, values: np.ndarray, threshold: float) -> np.ndarray:
    """Which pairs of different states are at least as alike as `threshold`: bool [L+1, L+1], symmetric."""
    cells = values >= threshold if measure(name).alike_is_high else values <= threshold
    return cells & ~np.eye(values.shape[0], dtype=bool)


def blocks_passing(name: str, values: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Blocks to drop so that every gap is bridged by states at least as alike as `threshold`: the longest first.

    Of equally long blocks the most alike goes first. A kept layer stays between two blocks, since two that touch would
    be one longer block, which may not pass. Sorted by start; never all L layers.
    """
    last = values.shape[0] - 1
    score, passes = alike(name, values), passing_cells(name, values, threshold)
    pairs = [(i, j) for i in range(last) for j in range(i + 1, last + 1) if passes[i, j] and j - i < last]
    chosen: list[tuple[int, int]] = []
    for start, stop in sorted(pairs, key=lambda pair: (pair[0] - pair[1], -score[pair])):
        if all(stop < other_start or start > other_stop for other_start, other_stop in chosen):
            chosen.append((start, stop))
    return sorted(chosen)
