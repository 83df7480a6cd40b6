"""A plan whose blocks are replaced by networks, one or several to a block."""

import pytest

from pages._ui.plan.replace_panel import replaced_plan
from prune_core.schema.errors import UserError
from prune_core.schema.fit import NETWORKS, Fit
from prune_core.schema.plan import Block, Drop, DropPart, Plan, Replace, drop_plan

LAYERS = 16


BY_NAME = {network.name: network for network in NETWORKS}


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_choosing_a_network_again_changes_nothing(network):
    plan = replaced_plan(drop_plan(LAYERS, [9, 10, 11, 12]), network, Fit())
    assert [edit.block for edit in plan.edits if isinstance(edit, Replace)] == [Block(9, 13)]
    for other in NETWORKS:
        assert replaced_plan(replaced_plan(plan, other, Fit()), network, Fit()) == plan


def test_several_networks_share_a_block_and_can_be_joined_again():
    layer = BY_NAME["layer"]
    plan = replaced_plan(drop_plan(LAYERS, [4, 9, 10, 11, 12, 13]), layer, Fit(), count=2)
    assert plan.edits[0] == Drop((4,))
    assert [edit.block for edit in plan.edits if isinstance(edit, Replace)] == [Block(9, 11), Block(11, 14)]
    assert plan.removed == (4, 10, 12, 13)
    joined = replaced_plan(plan, layer, Fit())
    assert [edit.block for edit in joined.edits if isinstance(edit, Replace)] == [Block(9, 14)]


def test_a_network_for_a_single_layer_is_refused_and_parts_stay():
    with pytest.raises(UserError, match="two neighbours or more"):
        replaced_plan(drop_plan(LAYERS, [4, 9]), BY_NAME["swiglu"], Fit())
    half = DropPart("attention", (3,))
    plan = replaced_plan(Plan(LAYERS, (half, Drop((9, 10)))), BY_NAME["layer"], Fit())
    assert plan.edits == (half, Replace(Block(9, 11), "layer"))
