"""Statistics of a model that does not exist, for tests of pictures and of the map."""

import dataclasses

import numpy as np

from prune_core.schema.measures import MEASURES, LayerStats
from prune_core.schema.norms import LARGE, MassiveToken


def synthetic(states: int) -> LayerStats:
    """Statistics like a real model's: far states differ more, and a patch in the upper middle is alike."""
    depth = np.arange(states) / states
    position = np.cumsum(0.04 + 1.6 * np.maximum(np.abs(depth - 0.65) - 0.15, 0) ** 1.5)
    cosine = np.exp(-np.abs(position[:, None] - position[None, :]) * 3.2 / position[-1])
    angle = np.arccos(np.clip(cosine, -1, 1)) / np.pi
    values = {m.name: cosine if m.alike_is_high else angle for m in MEASURES}
    stderrs = {name: 0.02 * np.abs(v - v.diagonal().mean()) + 0.001 for name, v in values.items()}
    return LayerStats(states - 1, values, stderrs, sequences=64, tokens=8192)


def with_norms(stats: LayerStats) -> LayerStats:
    """The same with the norms of such a model: the first token of each text is massive from state 3 on, and no more in
    the last one."""
    states = stats.num_layers + 1
    median = 10 * 1.05 ** np.arange(states)
    largest = np.where((np.arange(states) >= 3) & (np.arange(states) < states - 1), 100.0, 1.6) * median
    massive = np.where(largest > LARGE * median, 64, 0)
    arrays = dict(median=median, largest=largest, massive=massive, positions=np.array([[0, 60], [1, 4]]))
    tokens = (MassiveToken(7, 0, 60, 3, states - 2, "<s>"), MassiveToken(9, 1, 4, 5, 8, ".\n"))
    return dataclasses.replace(stats, norm_arrays=arrays, massive_tokens=tokens, excluded=64)
