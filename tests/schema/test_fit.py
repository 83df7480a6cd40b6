"""The table of networks, and where each lives in a built model."""

import pytest

from prune_core.schema.fit import NETWORKS, changed_layer, in_words, place_of, trained
from prune_core.schema.plan import Block, Plan, Replace


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_a_network_takes_the_layer_where_it_lives(network) -> None:
    assert place_of(network.name) == network.place and in_words(network.name) == network.words
    wanted = {"layer before": (8,), "first layer": (9,), "nowhere": ()}[network.place]
    assert changed_layer(network.name, 9) == wanted
    edit = Replace(Block(9, 13), network.name)
    assert edit.changed == wanted and set(Plan(16, (edit,)).kept) >= set(wanted)
    assert trained(network.name) == (network.place == "first layer")  # the others are computed in one pass


def test_below_the_first_layer_there_is_none_and_unknown_names_are_no_networks() -> None:
    assert changed_layer("linear", 0) == () and changed_layer("layer", 0) == (0,)
    assert place_of("magic") is None and in_words("magic") == "magic"
    assert not trained("magic") and changed_layer("magic", 5) == ()
