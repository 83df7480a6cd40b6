"""ReplaceMe (arXiv 2505.02819): a block becomes one linear map, folded into the MLP below it.

With m what the MLP of the layer before the block adds, x the state after that layer and z the state after the block,
the map T minimises the sum over calibration tokens of ||(x - m) + m T - z||^2: what bypasses the MLP stays as it is.
T is then folded into the MLP's last matrix, so the model gains no parameters.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prune_core.cut.replacements.curve import Point, Watch, unwatched
from prune_core.cut.replacements.held_back import in_batches, split
from prune_core.cut.replacements.projections import check_fold, first, folded, mlp_output
from prune_core.data.batches import Batch
from prune_core.forward.block_run import run_block, standing_in
from prune_core.forward.losses import summed_loss
from prune_core.model.load import LoadedModel
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Block, Replace
from prune_core.schema.progress import Progress

RIDGES = (10.0, 1.0, 0.1, 1e-2, 1e-3)
"""Tried if none is set. Least squares does not know how an error affects later layers, so the loss decides."""


def fit_linear(
    loaded: LoadedModel, batches: Sequence[Batch], edit: Replace, progress: Progress, watch: Watch = unwatched
) -> dict[str, Tensor]:
    """The new weights of layer `edit.block.start` - 1, by parameter name.

    One pass over the batches, up to the end of the block. Raises UserError if the fold would not be exact, or there
    is no layer below.
    """
    below = edit.block.start - 1
    if below < 0:
        raise UserError("There is no MLP below layer 0 to fold a map into: start the block at layer 1 or above.")
    check_fold(loaded.stack.layers[below], run_block(loaded, _few_tokens(batches[0]), Block(below, below + 1)))
    if edit.fit.ridge is not None:
        change = equations(loaded, batches, edit.block, progress).change(edit.fit.ridge)
    else:
        taught, held_back = split(batches, edit.fit)
        found = equations(loaded, in_batches(taught, edit.fit.batch), edit.block, progress)
        change = _least_loss(found, loaded, held_back, edit.block, progress, watch)
    return folded(loaded.stack.layers[below], change)


class Equations(NamedTuple):
    """The normal equations m'm (T - 1) = m'(z - x): `gram` = m'm and `cross` = m'(z - x), float64 [D, D]."""

    gram: Tensor
    cross: Tensor
    tokens: int

    def change(self, ridge: float) -> Tensor:
        """T - 1 for the best map T, float64 [D, D]; r = `ridge` times the mean of m'm's diagonal is added to that.

        The paper's ridge pulls T towards 0, which would remove the MLP; this one pulls it towards the identity, the
        plain cut. Without a ridge, both are the same least squares.
        """
        size = len(self.gram)
        eye = torch.eye(size, dtype=self.gram.dtype, device=self.gram.device)
        factor, failed = torch.linalg.cholesky_ex(self.gram + ridge * self.gram.diagonal().mean() * eye)
        if failed.item() or not torch.isfinite(factor).all():
            raise UserError(
                f"{self.tokens} tokens do not determine a linear map of {size} channels with ridge {ridge}: "
                "use more text or a larger ridge."
            )
        return torch.cholesky_solve(self.cross, factor)


def equations(loaded: LoadedModel, batches: Sequence[Batch], block: Block, progress: Progress) -> Equations:
    """The normal equations summed over all tokens of the batches, one batch at a time."""
    where = _float64_device(loaded)
    gram = torch.zeros(loaded.info.hidden_size, loaded.info.hidden_size, dtype=torch.float64, device=where)
    cross, seen = gram.clone(), 0
    caught: list[Tensor] = []
    module = mlp_output(loaded.stack.layers[block.start - 1])
    hook = module.register_forward_hook(lambda _module, _args, output: caught.append(first(output).clone()))
    progress.stage(f"fitting a linear map for layers {block.start} to {block.stop - 1}", len(batches), "batches")
    try:
        for batch in batches:
            run = run_block(loaded, batch, block)
            added = caught.pop().reshape(run.before.shape)[run.tokens].to(where, torch.float64)  # [N, D]
            change = run.after[run.tokens].to(where, torch.float64) - run.before[run.tokens].to(where, torch.float64)
            gram += added.mT @ added
            cross += added.mT @ change
            seen += len(added)
            progress.advance()
    finally:
        hook.remove()
    return Equations(gram, cross, seen)


def _least_loss(
    found: Equations, loaded: LoadedModel, held_back: list[Batch], block: Block, progress: Progress, watch: Watch
) -> Tensor:
    """T - 1 for the ridge in RIDGES whose map gives the lowest next-token loss on held-back text; 0, the plain cut, if
    no map beats that."""
    progress.stage("choosing the ridge by the loss", 1 + len(RIDGES), "ridges")
    best, lowest, points = torch.zeros_like(found.gram), math.inf, []
    for ridge in (math.inf, *RIDGES):
        change = found.change(ridge) if math.isfinite(ridge) else best
        loss = _mapped_loss(change, loaded, held_back, block)
        if loss < lowest:
            best, lowest = change, loss
        points.append(Point(ridge, math.nan, loss))
        watch(points)
        progress.advance()
    return best


def _mapped_loss(change: Tensor, loaded: LoadedModel, batches: list[Batch], block: Block) -> float:
    """The mean next-token loss, in nats, with the block cut and the MLP below it returning m (1 + change)."""

    def mapped(_module: object, _args: object, output: Any) -> Any:
        m = first(output)
        new = m + (m.float() @ change.to(m.device, torch.float32)).to(m.dtype)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    call = run_block(loaded, _few_tokens(batches[0]), block).call
    hook = mlp_output(loaded.stack.layers[block.start - 1]).register_forward_hook(mapped)
    try:
        with torch.no_grad(), standing_in(loaded.stack.layers, block, lambda states: states, call):
            losses = [summed_loss(loaded.model, batch) for batch in batches]
    finally:
        hook.remove()
    return sum(total.item() for total, _ in losses) / sum(count for _, count in losses)


def _few_tokens(batch: Batch) -> Batch:
    return Batch(batch.input_ids[:1, :16], batch.attention_mask[:1, :16])


def _float64_device(loaded: LoadedModel) -> torch.device:
    """The model's device, or the CPU if that has no float64 (Apple's)."""
    device = loaded.model.device
    return torch.device("cpu") if device.type == "mps" else device
