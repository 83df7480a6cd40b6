"""What a click makes of a plan, and of a merged or replaced one; which networks take which places."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pages._ui.map.picking import after_click, blocks_of, cut_layers, split
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Block, Drop, DropPart, Merge, Plan, Replace, drop_plan

LAYERS = 16
MERGED = Plan(LAYERS, (Merge(1, (2,)), Merge(8, (9, 10))))
REPLACED = Plan(LAYERS, (Drop((2,)), Replace(Block(9, 13), "layer")))


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
