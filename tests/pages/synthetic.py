"""Statistics of a model that does not exist, for tests of pictures and of the map."""

import numpy as np

from prune_core.schema.measures import MEASURES, LayerStats


def synthetic(states: int) -> LayerStats:
    """Statistics like a real model's: far states differ more, and a patch in the upper middle is alike."""
    depth = np.arange(states) / states
    position = np.cumsum(0.04 + 1.6 * np.maximum(np.abs(depth - 0.65) - 0.15, 0) ** 1.5)
    cosine = np.exp(-np.abs(position[:, None] - position[None, :]) * 3.2 / position[-1])
    angle = np.arccos(np.clip(cosine, -1, 1)) / np.pi
    values = {m.name: cosine if m.alike_is_high else angle for m in MEASURES}
    stderrs = {name: 0.02 * np.abs(v - v.diagonal().mean()) + 0.001 for name, v in values.items()}
    return LayerStats(states - 1, values, stderrs, sequences=64, tokens=8192)
