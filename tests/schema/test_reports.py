"""Figures of donor and pruned model are paired by what was measured and how, whatever came out."""

import itertools

from prune_core.schema.reports import Metric, paired


def metric(name="acc", task="facts", unit="fraction", note="0-shot", value=0.5) -> Metric:
    return Metric(name, task, value, unit, True, note=note)


def test_pairs_are_those_of_a_double_loop() -> None:
    kinds = itertools.product(("acc", "kl"), ("facts", "order"), ("fraction", ""), ("0-shot", "5-shot"))
    every = [metric(*kind, value=n) for n, kind in enumerate(kinds)]
    donor, pruned = every[::2], [metric(m.name, m.task, m.unit, m.note, -m.value) for m in every[::3]]
    same = ("name", "task", "unit", "note")
    expected = [
        (next((d for d in donor if all(getattr(d, each) == getattr(p, each) for each in same)), None), p)
        for p in pruned
    ]
    assert paired(donor, pruned) == expected and any(d is None for d, _ in expected)


def test_outcomes_in_a_note_do_not_part_a_pair_and_settings_do() -> None:
    donor = metric(note="median of 7 rounds, from 1.41 to 1.52")
    assert paired([donor], [metric(note="median of 7 rounds, from 0.9 to 12.25")])[0][0] == donor
    assert paired([donor], [metric(note="median of 9 rounds, from 1.41 to 1.52")])[0][0] is None
    assert metric(note="transformers 5.23.0").kind != metric(note="transformers 5.24.0").kind  # a version is no outcome
