"""How fast models run, measured in turns so that a warming, throttling or busy machine affects all equally."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from prune_core.evaluate.generate import greedy
from prune_core.forward.calling import require_context, synchronise, where
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import SpeedSettings
from prune_core.schema.progress import Progress, Silent
from prune_core.schema.reports import Metric

SEED = 0


@dataclass(frozen=True)
class Timing:
    """Seconds of one round: up to the first token of each sequence, and for the tokens after it."""

    first_s: float
    rest_s: float


def speed(
    models: dict[str, PreTrainedModel], settings: SpeedSettings, progress: Progress | None = None
) -> dict[str, tuple[Metric, ...]]:
    """Prefill and decode speed (tokens/s) and time to first token (ms) of each model, by label.

    A round times every model once, in the order of `models`, the next round in reverse (ABBA), so that a steady drift
    cancels. Prompts are random token ids from a fixed seed, the same for all models. Prefill is the pass over the
    prompts up to the first new token; decode the greedy steps after it, with the KV cache. Values are medians over
    rounds, see `median_stderr`. Every model but the first also gets its "speed-up" over the first: the median of the
    rounds' paired ratios. UserError if the lengths do not fit a model's context.
    """
    progress = progress or Silent()
    _check(models, settings)
    vocabulary = min(model.config.get_text_config().vocab_size for model in models.values())
    shape, generator = (settings.batch, settings.prompt_tokens), torch.Generator().manual_seed(SEED)
    ids = torch.randint(vocabulary, shape, generator=generator)
    progress.stage("measuring speed", (settings.warmup + settings.repeats) * len(models), "timings")
    rounds: dict[str, list[Timing]] = {label: [] for label in models}
    for number in range(settings.warmup + settings.repeats):
        for label in list(models)[:: 1 if number % 2 == 0 else -1]:
            timing = time_once(models[label], ids, settings.new_tokens)
            if number >= settings.warmup:
                rounds[label].append(timing)
            progress.advance()
    first = next(iter(models))
    found = {label: _metrics(models[label], settings, timings) for label, timings in rounds.items()}
    ratios = {label: _speed_ups(settings, rounds[first], rounds[label], first) for label in models if label != first}
    return {label: found[label] + ratios.get(label, ()) for label in models}


def time_once(model: PreTrainedModel, ids: torch.Tensor, new_tokens: int) -> Timing:
    """Time one prefill of `ids` [B, T] and the `new_tokens` - 1 decode steps after it."""
    stream = greedy(model, ids.to(model.device))
    synchronise(model)
    begun = time.perf_counter()
    next(stream)
    synchronise(model)
    first = time.perf_counter()
    for _ in range(new_tokens - 1):
        next(stream)
    synchronise(model)
    return Timing(first - begun, time.perf_counter() - first)


def median_stderr(values: np.ndarray) -> float | None:
    """Standard error of the median: 1.2533 * 1.4826 * MAD / sqrt(n); None for fewer than two values.

    1.4826 * MAD (median absolute deviation) estimates the standard deviation without being skewed by a few slow rounds;
    1.2533 = sqrt(pi / 2) is the median's asymptotic error against the mean's, for normal values.
    """
    if len(values) < 2:
        return None
    deviation = 1.4826 * np.median(np.abs(values - np.median(values)))
    return float(np.sqrt(np.pi / 2) * deviation / np.sqrt(len(values)))


def _check(models: dict[str, PreTrainedModel], settings: SpeedSettings) -> None:
    if settings.new_tokens < 2 or min(settings.batch, settings.prompt_tokens, settings.repeats) < 1:
        raise UserError(
            "Speed needs at least 1 sequence, 1 prompt token, 2 new tokens and 1 repeat: raise the settings."
        )
    tokens = settings.prompt_tokens + settings.new_tokens
    for model in models.values():
        require_context(model, tokens, "Prompt and new tokens for the speed test are", "choose shorter ones")


def _task(settings: SpeedSettings) -> str:
    return f"batch {settings.batch}, {settings.prompt_tokens} + {settings.new_tokens} tokens"


def _metrics(model: PreTrainedModel, settings: SpeedSettings, timings: list[Timing]) -> tuple[Metric, ...]:
    note = f"{_rounds(settings)}; random tokens, greedy, KV cache; {where(model)}"
    first, rest = (np.array([getattr(t, part) for t in timings]) for part in ("first_s", "rest_s"))
    measured = (
        ("prefill", "tokens/s", True, settings.batch * settings.prompt_tokens / first),
        ("decode", "tokens/s", True, settings.batch * (settings.new_tokens - 1) / rest),
        ("time to first token", "ms", False, 1000 * first),
    )
    return tuple(_median(name, settings, unit, higher, values, note) for name, unit, higher, values in measured)


def _speed_ups(settings: SpeedSettings, base: list[Timing], other: list[Timing], label: str) -> tuple[Metric, ...]:
    """Pruned / donor speed, round by round; prefill's is the ratio of the times to first token, too."""
    pairs = list(zip(base, other, strict=True))
    return tuple(
        _median(f"{name} speed-up", settings, "x", True, ratios, f"against {label}, {_paired(settings, ratios)}")
        for name, ratios in (
            ("prefill", np.array([a.first_s / b.first_s for a, b in pairs])),
            ("decode", np.array([a.rest_s / b.rest_s for a, b in pairs])),
        )
    )


def _paired(settings: SpeedSettings, ratios: np.ndarray) -> str:
    return f"{_rounds(settings)}, ratio within each round, from {ratios.min():.2f} to {ratios.max():.2f}"


def _median(
    name: str, settings: SpeedSettings, unit: str, higher_is_better: bool, values: np.ndarray, note: str
) -> Metric:
    return Metric(
        name=name,
        task=_task(settings),
        value=float(np.median(values)),
        unit=unit,
        higher_is_better=higher_is_better,
        stderr=median_stderr(values),
        samples=len(values),
        note=note,
    )


def _rounds(settings: SpeedSettings) -> str:
    return f"median of {settings.repeats} rounds after {settings.warmup} warm-up, models in turn, error from the MAD"
