"""What a click makes of a plan, and of a merged or replaced one; which networks take which places."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pages._ui.map.picking import after_click, blocks_of, cut_layers, split
from pages._ui.plan.replace_panel import replaced_plan
from pages._ui.redundancy.slm_groups import windows
from pages._ui.shared.paper_links import linked
from prune_core.methods import METHODS
from prune_core.schema.errors import UserError
from prune_core.schema.fit import NETWORKS, Fit
from prune_core.schema.measures import EXTRA_MEASURES, MEASURES
from prune_core.schema.plan import Block, Drop, DropPart, Merge, Plan, Replace, drop_plan

LAYERS = 16
MERGED = Plan(LAYERS, (Merge(1, (2,)), Merge(8, (9, 10))))
REPLACED = Plan(LAYERS, (Drop((2,)), Replace(Block(9, 13), "layer")))
BY_NAME = {network.name: network for network in NETWORKS}


def test_a_plain_click_leaves_only_its_own_block():
    for plan in (Plan(LAYERS), MERGED, REPLACED):
        assert after_click(plan, Block(3, 5), adds=False) == drop_plan(LAYERS, [3, 4])


def test_a_click_beside_merges_keeps_them():
    plan = after_click(MERGED, Block(4, 6), adds=True)
    assert plan.edits == (*MERGED.edits, Drop((4, 5)))
    assert after_click(plan, Block(4, 6), adds=True).edits == MERGED.edits


@pytest.mark.parametrize(
    ("block", "edits"),
    [
        (Block(9, 11), (Merge(1, (2,)),)),
        (Block(10, 12), (Merge(1, (2,)), Drop((9, 10, 11)))),
        (Block(8, 9), (Merge(1, (2,)), Drop((8, 9, 10)))),
    ],
)
def test_a_click_on_merged_layers_makes_them_plain_drops(block, edits):
    assert after_click(MERGED, block, adds=True).edits == edits


def test_a_replaced_block_is_one_block_whatever_stays_in_its_place():
    assert cut_layers(REPLACED) == (2, 9, 10, 11, 12)
    assert after_click(REPLACED, Block(9, 13), adds=True).edits == (Drop((2,)),)
    assert after_click(REPLACED, Block(2, 3), adds=True).edits == (REPLACED.edits[1],)


@given(some.sampled_from([MERGED, REPLACED, Plan(LAYERS, (DropPart("mlp", (3, 4)),))]), some.data(), some.booleans())
def test_a_click_cuts_its_block_or_takes_it_out_or_says_why_not(plan, data, adds):
    start = data.draw(some.integers(0, LAYERS - 1))
    block = Block(start, data.draw(some.integers(start + 1, LAYERS)))
    after_all = set(block.layers) | (set(cut_layers(plan)) if adds else set())
    if len(after_all) == LAYERS:
        with pytest.raises(UserError, match="at least one"):
            after_click(plan, block, adds)
        return
    cut = set(cut_layers(after_click(plan, block, adds)))
    assert set(block.layers) <= cut or not set(block.layers) & cut


def test_blocks_and_their_parts():
    assert blocks_of((5, 3, 4, 9)) == [Block(3, 6), Block(9, 10)]
    assert split(Block(3, 10), 3) == [Block(3, 5), Block(5, 7), Block(7, 10)]
    assert split(Block(3, 6), 3, least=2) == [Block(3, 6)]


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


def test_the_groups_of_a_merge_hold_the_layer_that_stays():
    assert windows(MERGED) == [Block(1, 3), Block(8, 11)]


def test_every_source_is_a_link():
    assert linked("see arXiv 2402.11187.") == "see [arXiv 2402.11187](https://arxiv.org/abs/2402.11187)."
    for source in {thing.source for thing in (*METHODS, *MEASURES, *EXTRA_MEASURES, *NETWORKS)} - {"baseline"}:
        assert linked(source).startswith("[arXiv ")
