"""Retention and Stability against slow, literal computations; intervals that hold what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prune_core.evaluate import retention as module
from prune_core.evaluate.retention import Cells, Group, cells, draws, mcnemar, retained_performance, retention
from prune_core.evaluate.stability import stability
from prune_core.schema.reports import Outcomes, Retention
from prune_core.schema.wording import retained


def answers(task: str, right: list[int], **more) -> Outcomes:
    return Outcomes(task, {"acc": tuple(right)}, **more)


def pair(task: str, both: int, lost: int, won: int, neither: int) -> tuple[Outcomes, Outcomes]:
    donor = [1] * both + [1] * lost + [0] * won + [0] * neither
    pruned = [1] * both + [0] * lost + [1] * won + [0] * neither
    return answers(task, donor), answers(task, pruned)


def rows(*pairs: tuple[Outcomes, Outcomes], groups: tuple[Group, ...] = ()) -> dict[str, Retention]:
    found = retention([donor for donor, _ in pairs], [pruned for _, pruned in pairs], groups)
    return {row.task: row for row in found}


def test_a_donor_at_chance_has_no_skill_to_lose():
    guessed, known = pair("guessed", 20, 5, 5, 70), pair("known", 60, 5, 4, 31)
    chances = {("guessed", "acc"): 0.25, ("known", "acc"): 0.25}
    found = retention([guessed[0], known[0]], [guessed[1], known[1]], (), chances)
    at = {row.task: row for row in found}
    assert at["guessed"].donor_stderr == pytest.approx(math.sqrt(0.25 * 0.75 / 100))
    assert at["guessed"].verdict == "at chance" and at["known"].verdict == "kept"
    assert retained(at["guessed"]) == "uninformative, donor at chance: 25.0%, guessing 25.0%"
    mean = at["mean of 2 tasks"]
    assert mean.chance == 0.25 and mean.verdict == "kept"
    assert mean.donor_stderr == pytest.approx(math.sqrt(0.25 * 0.75 + 0.65 * 0.35) / 20)


@pytest.mark.parametrize(("right", "at_chance"), [(33, True), (35, False), (10, True)])
def test_chance_is_two_standard_errors_wide(right, at_chance):
    donor, pruned = pair("t", 0, right, 0, 100 - right)
    (found,) = retention([donor], [pruned], (), {("t", "acc"): 0.25})
    assert found.at_chance is at_chance
    (unknown,) = retention([donor], [pruned])
    assert not unknown.at_chance and unknown.chance is None


@settings(max_examples=100, deadline=None)
@given(lost=st.integers(0, 40), won=st.integers(0, 40))
def test_mcnemar_sums_the_binomial_of_a_fair_coin(lost, won):
    tosses = lost + won
    chances = [math.comb(tosses, k) * 0.5**k * 0.5 ** (tosses - k) for k in range(tosses + 1)]
    as_unlikely = sum(p for p in chances if p <= chances[lost] * (1 + 1e-9))
    assert mcnemar(lost, won) == pytest.approx(min(1, as_unlikely))


def test_mcnemar_of_many_items():
    assert mcnemar(5000, 5000) == 1
    assert 0 < mcnemar(4000, 5000) < 1e-20


def test_cells_are_counted_in_pairs():
    assert cells((1, 1, 0, 0, 1), (1, 0, 1, 0, 0)) == Cells(1, 2, 1, 1)


def test_the_bootstrap_is_that_of_resampled_items():
    donor, pruned = pair("t", 50, 20, 8, 22)
    before, after = np.array(donor.right["acc"]), np.array(pruned.right["acc"])
    picks = np.random.default_rng(7).integers(0, 100, (20_000, 100))
    differences = after[picks].mean(1) - before[picks].mean(1)
    found = rows((donor, pruned))["t"]
    assert (found.low, found.high) == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=0.011)
    drawn = draws([Cells(50, 20, 8, 22)])[0]
    assert drawn.mean(0) == pytest.approx([0.70, 0.58], abs=0.002)
    assert np.cov(drawn.T) == pytest.approx(np.cov(np.stack([before[picks].mean(1), after[picks].mean(1)])), abs=2e-4)


def test_intervals_hold_the_true_change_about_nineteen_times_in_twenty(monkeypatch):
    monkeypatch.setattr(module, "DRAWS", 1000)
    random = np.random.default_rng(1)
    shares = np.array([0.5, 0.2, 0.1, 0.2])
    held = 0
    for _ in range(300):
        row = rows(pair("t", *random.multinomial(200, shares)))["t"]
        held += row.low <= -0.1 <= row.high
    assert 0.91 <= held / 300 <= 0.98


def test_a_row_says_what_was_counted():
    row = rows(pair("t", 50, 20, 8, 22))["t"]
    assert (row.items, row.lost, row.won, row.members) == (100, 20, 8, 1)
    assert (row.donor, row.pruned) == pytest.approx((0.70, 0.58))
    assert row.change == pytest.approx(-0.12)
    assert row.p_value == mcnemar(20, 8)
    assert row.verdict == "lost"
    assert rows(pair("t", 50, 20, 8, 22))["t"] == row  # seeded


def test_models_that_answer_alike_still_get_an_interval():
    row = rows(pair("t", 60, 0, 0, 40))["t"]
    assert row.verdict == "kept"
    assert row.high == -row.low == pytest.approx(1 - 0.05**0.01)
    assert row.p_value == 1


def test_means_of_tasks_and_of_groups():
    one, other = pair("a", 30, 30, 0, 0), pair("b", 10, 0, 0, 10)
    found = rows(one, other)
    mean = found["mean of 2 tasks"]
    assert (mean.donor, mean.pruned) == pytest.approx(((1 + 0.5) / 2, (0.5 + 0.5) / 2))
    assert (mean.members, mean.items, mean.p_value) == (2, 80, None)
    weighted = rows(one, other, groups=(Group("both", ("a", "b"), ("acc",), by_size=True),))
    assert set(weighted) == {"a", "b", "both"}  # the group is the mean of all
    assert weighted["both"].pruned == pytest.approx((30 + 10) / 80)
    assert weighted["both"].low < weighted["both"].change < weighted["both"].high < 0


def test_retained_performance_is_the_ratio_of_the_means():
    one, other = pair("a", 30, 30, 0, 0), pair("b", 10, 0, 0, 10)
    (found,) = retained_performance([one[0], other[0]], [one[1], other[1]])
    assert found.value == pytest.approx(0.5 / 0.75)
    random, ratios = np.random.default_rng(3), []
    for _ in range(4000):
        a, b = random.integers(0, 60, 60), random.integers(0, 20, 20)
        means = [
            np.mean([np.array(x.right["acc"])[a].mean(), np.array(y.right["acc"])[b].mean()])
            for x, y in zip(one, other, strict=True)
        ]
        ratios.append(means[1] / means[0])
    assert found.stderr == pytest.approx(np.std(ratios), rel=0.06)
    assert retained_performance([answers("a", [0, 0])], [answers("a", [0, 1])]) == ()
    assert retained_performance([], []) == retention([], []) == ()


def test_stability_is_equation_6():
    lls = ((-1.0, -4.0, -9.0), (-2.0, -2.5, -3.0), (-0.5, -6.0), (-3.0, -3.0, -12.0))
    tokens = ((1, 2, 3), (1, 1, 2), (1, 3), (1, 2, 4))
    donor = answers("t", [1, 0, 1, 0], loglikelihoods=lls, tokens=tokens)
    pruned = answers("t", [1, 1, 0, 0])
    above = below = 0.0
    for i, same in enumerate((True, False, False, True)):
        losses = [-ll / n for ll, n in zip(lls[i], tokens[i], strict=True)]
        mean = sum(losses) / len(losses)
        spread = math.sqrt(sum((x - mean) ** 2 for x in losses) / (len(losses) - 1))
        above += math.exp(spread) * same
        below += math.exp(spread)
    (found,) = stability([donor], [pruned])
    assert found.value == pytest.approx(above / below)
    assert stability([donor], [donor])[0].value == 1


def test_stability_of_several_tasks_and_of_huge_losses():
    sure = answers("a", [1, 0], loglikelihoods=((-1.0, -2000.0), (-1.0, -1.0)), tokens=((1, 1), (1, 1)))
    plain = answers("b", [1, 0], loglikelihoods=((-1.0, -2.0), (-2.0, -1.0)), tokens=((1, 1), (1, 1)))
    a, b, mean = stability([sure, plain, answers("c", [1])], [answers("a", [1, 1]), plain, answers("c", [1])])
    assert (a.value, b.value) == (1, 1)  # the item of weight exp(1413) decides
    assert mean.value == 1
    assert mean.task == "mean of 2 tasks"


def row(change: float, low: float, high: float, p_value: float | None) -> Retention:
    return Retention("t", "acc", 900, 0.5, 0.5 + change, low, high, 1, 1, p_value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (row(-0.07, -0.091, -0.05, 1e-9), "-7.0 points, 95% interval -9.1 to -5.0, p < 0.001"),
        (row(0.001, -0.01, 0.012, 1.0), "no loss measured: within -1.0 to +1.2 points"),
        (row(0.1, 0.02, 0.2, 0.012), "+10.0 points, 95% interval +2.0 to +20.0, p = 0.012"),
        (row(-0.1, -0.2, -0.02, 0.0625), "unclear, -10.0 points, 95% interval -20.0 to -2.0, p = 0.062"),
        (row(-0.1, -0.2, -0.02, None), "-10.0 points, 95% interval -20.0 to -2.0"),
    ],
)
def test_words(row, words):
    assert retained(row) == words
