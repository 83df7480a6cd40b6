"""Which layers sliding layer merging has merged."""

from pages._ui.redundancy.slm_groups import windows
from prune_core.schema.plan import Block, Merge, Plan

MERGED = Plan(16, (Merge(1, (2,)), Merge(8, (9, 10))))


def test_the_groups_of_a_merge_hold_the_layer_that_stays():
    assert windows(MERGED) == [Block(1, 3), Block(8, 11)]
