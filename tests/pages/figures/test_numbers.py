"""How numbers and rows are told in pictures."""

import pytest

from pages._ui.figures.numbers import change, label_of
from prune_core.schema.reports import Metric


@pytest.mark.parametrize(
    ("before", "after", "unit", "words"),
    [
        (0.875, 0.5, "fraction", "87.5 → 50.0%"),
        (11.8e6, 9.22e6, "bytes", "11.8 → 9.2 MB"),
        (1.2e6, 9e5, "bytes", "1.2 MB → 900.0 kB"),
        (12340.0, 15795.4, "tokens/s", "12,340 → 15,795 tokens/s"),
        (7.25, 8.5, "", "7.250 → 8.500"),
    ],
)
def test_a_change_says_its_unit_once(before: float, after: float, unit: str, words: str) -> None:
    old, new = (Metric("m", "t", value, unit, True, 0.1) for value in (before, after))
    assert change(old, new) == words


def test_rows_are_named_by_what_tells_them_apart() -> None:
    acc, norm = (Metric(name, "demo_facts", 0.5, "fraction", True) for name in ("acc", "acc_norm"))
    mean = Metric("acc", "demo_skills", 0.5, "fraction", True, note="mean of 6 tasks")
    here, there = (Metric("perplexity", task, 5.0, "", False) for task in ("heldout.txt", "wiki.txt"))
    assert [label_of(m, [acc, mean, here]) for m in (acc, mean, here)] == ["facts", "<b>skills, mean</b>", "perplexity"]
    assert label_of(norm, [acc, norm]) == "facts, acc_norm"
    assert label_of(there, [here, there]) == "perplexity, wiki.txt"
