"""What each kind of edit does to the layers that stay. The only place that dispatches on the kind of edit."""

from collections.abc import Mapping

from torch import Tensor, nn

from prune_core.cut import merge, parts
from prune_core.schema.errors import UserError
from prune_core.schema.fit import NETWORKS, place_of
from prune_core.schema.plan import Drop, DropPart, Edit, Merge, Plan, Replace

Fitted = Mapping[str, Tensor]
"""What was fitted for a plan's Replace edits, by `key(edit)` + the name inside; made by replacements/."""

NOTHING: Fitted = {}


def key(edit: Replace) -> str:
    """The prefix of an edit's tensor names in `Fitted`: "8-12.layer."."""
    return f"{edit.block.key}.{edit.by}."


def changed_weights(plan: Plan, layers: nn.ModuleList, fitted: Fitted = NOTHING) -> dict[int, dict[str, Tensor]]:
    """New weights for the donor's kept layers: layer number -> parameter name inside the layer -> tensor.

    Layers and weights that are not named stay as they are. `layers` are the donor's and are not touched.
    """
    check_offered(plan, fitted)
    changes: dict[int, dict[str, Tensor]] = {}
    for edit in plan.edits:
        changes |= changed_by(edit, layers, fitted)
    return changes


def patches(plan: Plan, fitted: Fitted) -> dict[int, Tensor]:
    """Matrices that multiply the hidden state in a removed layer's place: layer number -> [D, D]. Previews only."""
    edits = [edit for edit in plan.edits if isinstance(edit, Replace) and place_of(edit.by) == "nowhere"]
    return {edit.block.start: _tensors(edit, fitted)["patch"] for edit in edits}


def check_offered(plan: Plan, fitted: Fitted = NOTHING) -> None:
    """Raises UserError for an edit that no rule implements, and for a replacement that is not fitted yet."""
    for edit in plan.edits:
        if isinstance(edit, (Drop, DropPart, Merge)):
            continue
        if place_of(edit.by) is None:
            names = ", ".join(network.name for network in NETWORKS)
            raise UserError(f"There is no replacement '{edit.by}': choose one of {names}.")
        if not _tensors(edit, fitted):
            raise UserError(
                f"The replacement of layers {edit.block.start} to {edit.block.stop - 1} with '{edit.by}' is not fitted "
                "yet: fit it first."
            )


def check_buildable(plan: Plan) -> None:
    """Raises UserError for an edit that no plain model can hold."""
    for edit in plan.edits:
        if isinstance(edit, Replace) and place_of(edit.by) == "nowhere":
            raise UserError(
                f"A checkpoint cannot hold '{edit.by}': it multiplies the hidden state itself, and no matrix of the "
                "model does that alone; preview it, or replace the block with 'linear', which folds into an MLP."
            )


def changed_by(edit: Edit, layers: nn.ModuleList, fitted: Fitted = NOTHING) -> dict[int, dict[str, Tensor]]:
    """As `changed_weights`, for one edit."""
    if isinstance(edit, DropPart):
        return {layer: parts.silent(layers[layer], edit.part) for layer in edit.layers}
    if isinstance(edit, Merge):
        return {edit.into: merge.merged_weights(edit, layers)}
    if isinstance(edit, Replace) and edit.changed:
        parameters = dict(layers[edit.changed[0]].named_parameters())
        tensors = _tensors(edit, fitted)
        return {edit.changed[0]: {name: tensor.to(parameters[name]) for name, tensor in tensors.items()}}
    return {}


def _tensors(edit: Replace, fitted: Fitted) -> dict[str, Tensor]:
    start = key(edit)
    return {name.removeprefix(start): tensor for name, tensor in fitted.items() if name.startswith(start)}
