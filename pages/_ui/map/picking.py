"""How a click on a block changes the plan, and which layers a plan cuts. Pure functions."""

from itertools import pairwise

from prune_core.schema.plan import Block, Drop, Edit, Plan, Replace, drop_plan


def cut_layers(plan: Plan) -> tuple[int, ...]:
    """The layers whose work is skipped or done by something else: removed ones, and replaced blocks as a whole."""
    return tuple(sorted({layer for edit in plan.edits for layer in _cut(edit)}))


def uncut(plan: Plan) -> tuple[Edit, ...]:
    """The edits that cut no layer, such as those that take a part out of layers that stay."""
    return tuple(edit for edit in plan.edits if not _cut(edit))


def blocks_of(layers: tuple[int, ...]) -> list[Block]:
    """The contiguous runs in `layers`."""
    chosen = sorted(layers)
    starts = [layer for layer in chosen if layer - 1 not in chosen]
    stops = [layer + 1 for layer in chosen if layer + 1 not in chosen]
    return [Block(start, stop) for start, stop in zip(starts, stops, strict=True)]


def split(block: Block, parts: int, least: int = 1) -> list[Block]:
    """`block` split into `parts` blocks of nearly equal length, fewer if they would be shorter than `least` layers."""
    count = max(1, min(parts, len(block) // least))
    ends = [block.start + len(block) * k // count for k in range(count + 1)]
    return [Block(start, stop) for start, stop in pairwise(ends)]


def after_click(plan: Plan, block: Block, adds: bool) -> Plan:
    """The plan after a click on `block`: it is dropped, alone or in addition to the rest of the plan (`adds`).

    A click on what is already cut restores it. Merges, replacements and part drops that touch the block become plain
    drops of their layers; the others stay as they are.
    """
    now, clicked = set(cut_layers(plan)), set(block.layers)
    if not adds:
        return drop_plan(plan.num_layers, () if clicked == now else block.layers)
    stay = [edit for edit in plan.edits if not isinstance(edit, Drop) and clicked.isdisjoint(_touched(edit))]
    cut = now - clicked if clicked <= now else now | clicked
    dropped = tuple(sorted(cut.difference(*map(_cut, stay))))
    return Plan(plan.num_layers, (*stay, *((Drop(dropped),) if dropped else ())))


def _cut(edit: Edit) -> tuple[int, ...]:
    return edit.block.layers if isinstance(edit, Replace) else edit.removed


def _touched(edit: Edit) -> set[int]:
    return {*_cut(edit), *edit.changed}
