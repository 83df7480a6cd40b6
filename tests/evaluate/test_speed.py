"""Speed: models in turn, medians and their errors, paired ratios; none of it depends on this machine's clock."""

import numpy as np
import pytest

from prune_core.evaluate import speed as module
from prune_core.evaluate.speed import Timing, median_stderr, speed
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.evaluation import SpeedSettings
from prune_core.schema.progress import Silent
from tests.fixtures.tiny import CONTEXT, tiny_model

SETTINGS = SpeedSettings(batch=2, prompt_tokens=12, new_tokens=5, warmup=1, repeats=4)


@pytest.fixture
def models():
    return {"donor": tiny_model("llama", 4), "pruned": tiny_model("llama", 2)}


def fake_clock(monkeypatch, models, seconds):
    """Replaces the timing by `seconds(call number, label)`; returns the list of labels as they come."""
    labels = {id(model): label for label, model in models.items()}
    calls: list[str] = []

    def time_once(model, ids, new_tokens):
        calls.append(labels[id(model)])
        first = seconds(len(calls) - 1, calls[-1])
        return Timing(first, 2 * first)

    monkeypatch.setattr(module, "time_once", time_once)
    return calls


def test_models_take_turns_in_both_orders(monkeypatch, models):
    calls = fake_clock(monkeypatch, models, lambda n, label: 1.0)
    speed(models, SETTINGS)
    assert calls == ["donor", "pruned", "pruned", "donor"] * 2 + ["donor", "pruned"]


def test_values_are_medians_without_the_warm_up(monkeypatch, models):
    seconds = [9.0, 9.0, 0.5, 1.0, 1.0, 0.5, 0.25, 2.0, 4.0, 0.5]  # in turn: donor, pruned, pruned, donor, ...
    fake_clock(monkeypatch, models, lambda n, label: seconds[n])
    found = speed(models, SETTINGS)
    donor, pruned = np.array([1.0, 1.0, 2.0, 4.0]), np.array([0.5, 0.5, 0.25, 0.5])
    expected = {
        "prefill": 2 * 12 / donor,
        "decode": 2 * 4 / (2 * donor),
        "time to first token": 1000 * donor,
    }
    assert {m.name for m in found["donor"]} == set(expected)
    for metric in found["donor"]:
        assert metric.value == np.median(expected[metric.name])
        assert metric.stderr == median_stderr(expected[metric.name])
        assert metric.samples == 4
        assert metric.task == "batch 2, 12 + 5 tokens"
        assert "median of 4 rounds after 1 warm-up" in metric.note
    ratios = {m.name: m for m in found["pruned"] if m.unit == "x"}
    assert set(ratios) == {"prefill speed-up", "decode speed-up"}
    for metric in ratios.values():
        assert metric.value == np.median(donor / pruned)
        assert metric.stderr == median_stderr(donor / pruned)
        assert metric.note.endswith("ratio within each round, from 2.00 to 8.00")


def test_a_steady_drift_cancels_in_the_ratio(monkeypatch, models):
    settings = SpeedSettings(warmup=0, repeats=8)
    cost = {"donor": 2.0, "pruned": 1.0}
    fake_clock(monkeypatch, models, lambda n, label: cost[label] * (1 + 0.01 * n))
    ratio = next(m for m in speed(models, settings)["pruned"] if m.name == "decode speed-up")
    assert ratio.value == pytest.approx(2.0, rel=1e-3)


def test_standard_error_of_the_median():
    assert median_stderr(np.array([1.0])) is None
    assert median_stderr(np.array([3.0, 3.0, 3.0])) == 0
    assert median_stderr(np.array([1.0, 2.0, 3.0, 4.0, 100.0])) == pytest.approx(1.2533 * 1.4826 / np.sqrt(5), rel=1e-4)
    draws = np.random.default_rng(0).normal(size=(4000, 51))
    observed = np.std(np.median(draws, axis=1))
    assert np.mean([median_stderr(row) for row in draws]) == pytest.approx(observed, rel=0.05)


def test_real_timing_and_progress(models):
    class Counts(Silent):
        done = total = 0

        def stage(self, name: str, total: int, unit: str = "steps") -> None:
            self.total = total

        def advance(self, done: int = 1) -> None:
            self.done += done

    progress = Counts()
    found = speed(models, SETTINGS, progress)
    assert progress.done == progress.total == 2 * 5
    assert all(np.isfinite(m.value) and m.value > 0 for metrics in found.values() for m in metrics)
    assert "float32 on cpu" in found["donor"][0].note


def test_cancel(models):
    class Stops(Silent):
        def advance(self, done: int = 1) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        speed(models, SETTINGS, Stops())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SpeedSettings(new_tokens=1), "2 new tokens"),
        (SpeedSettings(repeats=0), "1 repeat"),
        (SpeedSettings(prompt_tokens=CONTEXT, new_tokens=2), "choose shorter ones"),
    ],
)
def test_errors_are_sentences(models, settings, message):
    with pytest.raises(UserError, match=message):
        speed(models, settings)
