"""What each kind of edit does to the layers that stay. The one place where edits are told apart."""

from torch import Tensor, nn

from prune_core.transform import merge
from prune_core.types import Drop, Edit, Merge, Plan, UserError


def changed_weights(plan: Plan, layers: nn.ModuleList) -> dict[int, dict[str, Tensor]]:
    """New weights for the donor's kept layers: layer number -> parameter name inside the layer -> tensor.

    Layers and weights that are not named stay as they are. `layers` are the donor's and are not touched.
    """
    check_offered(plan)
    changes: dict[int, dict[str, Tensor]] = {}
    for edit in plan.edits:
        changes |= _changes(edit, layers)
    return changes


def check_offered(plan: Plan) -> None:
    """Raises UserError for an edit that no rule carries out."""
    for edit in plan.edits:
        if not isinstance(edit, (Drop, Merge)):
            raise UserError(f"Replacing layers by '{edit.by}' is not offered: drop or merge the layers instead.")


def _changes(edit: Edit, layers: nn.ModuleList) -> dict[int, dict[str, Tensor]]:
    if isinstance(edit, Merge):
        return {edit.into: merge.merged_weights(edit, layers)}
    return {}
