"""The norms of states and the rule for massive tokens, in the words that pages show."""

import dataclasses

import numpy as np

from prune_core.schema.norms import HUGE, LARGE, RULE, MassiveToken, Norms
from prune_core.schema.wording import massive_in_words

NORMS = Norms(
    median=np.array([1.0, 2.0, 3.0, 4.0]),
    largest=np.array([2.0, 90.0, 95.0, 9.0]),
    massive=np.array([0, 5, 6, 0]),
    positions=np.array([[0, 4], [7, 1], [9, 1]]),
    excluded=6,
    examples=(MassiveToken(1, 0, 4, 1, 2, "<bos>"),),
)


def test_states_are_those_that_hold_a_massive_token():
    assert NORMS.states == (1, 2)


def test_the_arrays_make_it_again():
    fields = {field.name for field in dataclasses.fields(Norms)} - set(NORMS.arrays())
    again = Norms(**NORMS.arrays(), **{name: getattr(NORMS, name) for name in fields})
    assert all(np.array_equal(again.arrays()[name], array) for name, array in NORMS.arrays().items())


def test_the_rule_and_what_it_found_in_words():
    assert f"{HUGE:g} times" in RULE and f"{LARGE:g} times" in RULE
    said = massive_in_words(NORMS, 600)
    assert "6 of 600 tokens are massive" in said and "states 1 to 2" in said
    assert "4 at position 0, 1 at position 7, 1 at position 9" in said and "elsewhere" not in said
    crowded = dataclasses.replace(NORMS, positions=np.array([[0, 2], [1, 1], [2, 1], [3, 1], [4, 1]]))
    assert "2 elsewhere" in massive_in_words(crowded, 600)
    nothing = dataclasses.replace(NORMS, excluded=0, massive=np.zeros(4, dtype=int))
    assert massive_in_words(nothing, 600) == "None of the 600 tokens is massive in any state."
