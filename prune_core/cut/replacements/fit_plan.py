"""Networks that take a block's place, and how they are fitted to the donor (schema/fit.py lists them all).

linear.py is ReplaceMe, linear_patch.py LinearPatch, networks.py and training.py LLM-Streamline. forward/block_run.py
runs the donor up to the end of a block; projections.py knows where MLPs and attention write. All return tensors by
name, which fitted_file.py stores and cut/edits.py puts in place, both for the preview and for the built model.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from prune_core.cut.edits import key
from prune_core.cut.replacements.curve import Point, Watch, unwatched
from prune_core.cut.replacements.linear import fit_linear
from prune_core.cut.replacements.linear_patch import fit_patch
from prune_core.cut.replacements.networks import check_token_by_token, network, trained_weights
from prune_core.cut.replacements.training import train
from prune_core.data.batches import Batch
from prune_core.forward.block_run import run_block
from prune_core.model.load import LoadedModel
from prune_core.schema.errors import UserError
from prune_core.schema.fit import place_of
from prune_core.schema.plan import Plan, Replace
from prune_core.schema.progress import Progress, Silent

Curves = dict[str, list[Point]]
"""How fitting went, by the block's key: step by step for trained networks, ridge by ridge for linear maps."""


def fit_plan(
    loaded: LoadedModel,
    batches: Sequence[Batch],
    plan: Plan,
    progress: Progress | None = None,
    watch: Callable[[Curves], None] = lambda curves: None,
) -> tuple[dict[str, Tensor], Curves]:
    """Fit every Replace edit of `plan` on the donor's own states, whatever the plan's other edits are.

    Returns the tensors, by the names that cut/edits.py looks for ("8-12.layer.mlp.up_proj.weight"), and the
    curves; `watch` sees the curves growing. Same inputs, same tensors.
    """
    tensors: dict[str, Tensor] = {}
    curves: Curves = {}
    for edit in plan.edits:
        if isinstance(edit, Replace):
            name = edit.block.key

            def grown(points: Sequence[Point], name: str = name) -> None:
                curves[name] = list(points)
                watch(curves)

            found = fit(loaded, batches, edit, progress or Silent(), grown)
            tensors |= {f"{key(edit)}{path}": tensor for path, tensor in found.items()}
    return tensors, curves


def fit(
    loaded: LoadedModel,
    batches: Sequence[Batch],
    edit: Replace,
    progress: Progress,
    watch: Watch = unwatched,
) -> dict[str, Tensor]:
    """The fitted tensors of one edit: new weights by parameter name inside the layer `edit.changed`, in its dtypes, or
    {"patch": [D, D]}. Raises UserError if the family cannot hold the network."""
    layers = len(loaded.stack.layers)
    if edit.block.stop > layers:
        raise UserError(f"Layer {edit.block.stop - 1} does not exist: this model has layers 0 to {layers - 1}.")
    if place_of(edit.by) == "layer before":
        return fit_linear(loaded, batches, edit, progress, watch)
    if place_of(edit.by) == "nowhere":
        return fit_patch(loaded, batches, edit, progress)
    if place_of(edit.by) is None:
        raise UserError(f"There is no replacement '{edit.by}': choose another network.")
    layer = loaded.stack.layers[edit.block.start]
    net = network(layer, edit)
    if edit.by != "layer":
        check_token_by_token(net, run_block(loaded, batches[0], edit.block))
    train(net, loaded, batches, edit, progress, watch)
    dtypes = {name: parameter.dtype for name, parameter in layer.named_parameters()}
    return {name: weight.to(dtypes[name]) for name, weight in trained_weights(net).items()}
