"""Results of a model that does not exist, for tests of pictures, of the map and of pages."""

import dataclasses

import numpy as np

from prune_core.schema.continuations import Departure, TextPair, Token
from prune_core.schema.measures import MEASURES, LayerStats
from prune_core.schema.norms import LARGE, MassiveToken
from prune_core.schema.reports import Metric, Report, Retention
from prune_core.schema.skill_map import Skill, SkillMap

LAYERS = 16
LOST = Retention("demo_sums", "acc", 240, 1.0, 0.93, -0.104, -0.042, 17, 0, 1e-5)
KEPT = Retention("demo_facts", "acc", 240, 0.5, 0.49, -0.06, 0.05, 20, 18, 0.87)
GAINED = Retention("demo_order", "acc", 240, 0.5, 0.6, 0.04, 0.15, 5, 29, 1e-4)
UNCLEAR = Retention("demo_verbs", "acc", 30, 0.5, 0.33, -0.3, -0.03, 5, 0, 0.0625)
GUESSED = Retention("arc_easy", "acc", 100, 0.25, 0.24, -0.1, 0.08, 5, 4, 1.0, 1, 0.25, 0.043)
MEAN = Retention("demo_skills", "acc", 480, 0.75, 0.71, -0.06, -0.01, 37, 18, None, 2)
TOKENS = (
    Token(" The", 0.9, 0.8, " The", " The", True, 0.02),
    Token(" <b>&", 0.6, 0.1, " <b>&", " *mill*", False, 0.7),
)
PAIR = TextPair("Once", " The <b>&", " The *mill*", 4, Departure(1, " <b>&", " *mill*"), TOKENS, True)
CURVE = np.array([[0, np.nan, 0.7], [10, 0.6, 0.5], [20, 0.5, 0.4]])


def synthetic(states: int) -> LayerStats:
    """Statistics like a real model's: far states differ more, and a patch in the upper middle is alike."""
    depth = np.arange(states) / states
    position = np.cumsum(0.04 + 1.6 * np.maximum(np.abs(depth - 0.65) - 0.15, 0) ** 1.5)
    cosine = np.exp(-np.abs(position[:, None] - position[None, :]) * 3.2 / position[-1])
    angle = np.arccos(np.clip(cosine, -1, 1)) / np.pi
    values = {m.name: cosine if m.alike_is_high else angle for m in MEASURES}
    stderrs = {name: 0.02 * np.abs(v - v.diagonal().mean()) + 0.001 for name, v in values.items()}
    return LayerStats(states - 1, values, stderrs, sequences=64, tokens=8192)


def skills(measured: int = LAYERS, size: int = 1, metrics: tuple[str, ...] = ("acc",)) -> SkillMap:
    """Made up: layer 0 costs everything, and the first skill needs layer 3 too."""
    items, count = 40, LAYERS - size + 1
    named = [Skill(task, metric, items, 0.25) for task in ("demo_sums", "demo_facts") for metric in metrics]
    right = np.ones((min(measured, count), items * len(named)))
    right[0] = 0
    right[3:4, :30] = 0
    return SkillMap(
        LAYERS, size, tuple(named), np.arange(len(right)), right, np.ones(items * len(named)), count, "lm-eval, 0-shot"
    )


def report(label: str, factor: float) -> Report:
    metrics = (
        Metric("perplexity", "demo", 2.5 * factor, "", False, 0.03, None, 1000, "context 256, stride 128"),
        Metric("acc", "demo_sums", 1 / factor, "fraction", True, 0.01, 0.25, 240),
        Metric("decode speed-up", "batch 1", 1.2, "x", True, 0.05, None, 7, "from 1.10 to 1.31"),
    )
    return Report(label, LAYERS, metrics, ())


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
