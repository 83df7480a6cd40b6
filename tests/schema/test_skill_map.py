"""A map of skills: its changes, their errors, and what it says."""

from dataclasses import replace

import numpy as np
import pytest

from prune_core.schema.skill_map import skills_csv
from prune_core.schema.skill_words import readings
from tests.fixtures.maps import skill_map_of


def test_changes_and_their_errors_are_paired():
    donor, without = [1, 1, 1, 0, 1], [1, 0, 1, 1, 0]
    found = skill_map_of([[without]], [donor])
    differences = np.subtract(without, donor)
    assert found.change[0, 0] == pytest.approx(-0.2)
    assert found.change_stderr[0, 0] == pytest.approx(np.sqrt(differences.var(ddof=1) / 5))
    assert not found.clear[0, 0]
    assert np.isnan(skill_map_of([[[0]]], [[1]]).change_stderr).all()


def test_a_map_of_one_metric_has_its_items_alone():
    found = skill_map_of([[[0, 1], [1, 1, 0]]], [[1, 1], [0, 0, 0]])
    mixed = replace(found, skills=(found.skills[0], replace(found.skills[1], metric="acc_norm")))
    only = mixed.only("acc_norm")
    assert only.right.tolist() == [[1, 1, 0]] and only.donor_right.tolist() == [0, 0, 0]
    assert [skill.items for skill in only.skills] == [3]


def test_what_the_map_says():
    good, half, bad = [1] * 40, [1, 0] * 20, [0] * 40
    blocks = [[bad, bad, half], [good, bad, half], [good, bad, half], [good, good, half]]
    said = readings(skill_map_of(blocks, [good, good, half], chance=0.5))
    assert said == [
        "Needed for every skill: layer 0.",
        "Needed for skill 1: layers 1 to 2.",
        "Dropped on its own, layer 3 costs no skill a loss detectable with 40 items.",
        "The donor itself does not clearly beat chance on skill 2: little can be lost there.",
    ]


def test_small_losses_that_add_up_are_not_nothing():
    good, little = [1] * 40, [1] * 37 + [0] * 3  # 7.5 points, 1.8 standard errors
    found = skill_map_of([[little] * 4, [good] * 4], [good] * 4)
    assert not found.clear.any()
    assert readings(found) == ["Dropped on its own, layer 1 costs no skill a loss detectable with 40 items."]


def test_skills_that_need_the_same_layers_are_told_together_and_many_are_counted():
    good, bad = [1] * 40, [0] * 40
    said = readings(skill_map_of([[bad] * 7 + [good, good], [good] * 8 + [bad], [good] * 9], [good] * 9))
    assert said[:2] == [
        "Needed for skill 0, skill 1, skill 2, skill 3 and 3 more: layer 0.",
        "Needed for skill 8: layer 1.",
    ]


def test_what_a_map_of_blocks_says():
    good, bad = [1] * 40, [0] * 40
    said = readings(skill_map_of([[bad, good], [bad, good], [good, good], [good, good]], [good, good], size=2))
    assert said == [
        "Needed for skill 0: the blocks of 2 that begin at layers 0 to 1.",
        "Dropped on its own, each of the blocks of 2 that begin at layers 2 to 3 costs no skill a loss detectable "
        "with 40 items.",
    ]


def test_csv_has_a_line_for_each_block_and_skill():
    rng = np.random.default_rng(0)
    right, donor = rng.integers(0, 2, (3, 2, 5)), rng.integers(0, 2, (2, 5))
    found = skill_map_of(right.tolist(), donor.tolist(), size=2)
    head, *lines = skills_csv(found).splitlines()
    names = head.split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines]
    assert [(row["start"], row["stop"]) for row in rows] == [(f"{n}", f"{n + 2}") for n in range(3) for _ in range(2)]
    for row, answers, before in zip(rows, right.reshape(6, 5), np.tile(donor, (3, 1)), strict=True):
        change = answers - before
        expected = {
            "accuracy": answers.mean(),
            "donor": before.mean(),
            "change": change.mean(),
            "change_stderr": change.std(ddof=1) / np.sqrt(5),
        }
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected, rel=1e-8)
