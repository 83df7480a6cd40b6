"""Plans in words, the same on every page, in the model card and on the command line. No torch."""

from prune_core.types import Drop, Edit, Merge, Plan, Replace


def ranges(layers: tuple[int, ...]) -> str:
    """Layer numbers in words: (2, 5, 6) -> "2, 5 to 6"; both ends are meant, whatever the order given."""
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)


def named(layers: tuple[int, ...]) -> str:
    """ "layer 3" or "layers 2, 5 to 6"."""
    return f"layer{'s' if len(layers) > 1 else ''} {ranges(layers)}"


def describe(plan: Plan) -> str:
    """The plan in words: "drop layers 9 to 12 (4 of 16)"; "keep all 16 layers" when it is empty."""
    if not plan.removed:
        return f"keep all {plan.num_layers} layers"
    dropped = tuple(layer for edit in plan.edits if isinstance(edit, Drop) for layer in edit.layers)
    phrases = [f"drop {named(dropped)}"] if dropped else []
    phrases += [_phrase(edit) for edit in plan.edits if not isinstance(edit, Drop)]
    return f"{', '.join(phrases)} ({len(plan.removed)} of {plan.num_layers})"


def _phrase(edit: Edit) -> str:
    if isinstance(edit, Merge):
        return f"merge {named(edit.layers)} into layer {edit.into} by {edit.rule}"
    if isinstance(edit, Replace):
        return f"replace {named(edit.block.layers)} by {edit.by}"
    return f"drop {named(edit.layers)}"
