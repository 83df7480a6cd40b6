"""ReplaceMe (arXiv 2505.02819): a block becomes one linear map, folded into the MLP below it.

With m what the MLP of the layer before the block adds, x the state after that layer and z the state after the block,
the map T minimises the sum over calibration tokens of ||(x - m) + m T - z||^2: what came in beside the MLP stays as it
is. T then goes into the MLP's last matrix, so the model has no added parameter.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from prune_core.capture import Batch
from prune_core.model import LoadedModel
from prune_core.replacements.block_run import run_block
from prune_core.replacements.projections import check_fold, first, folded, mlp_output
from prune_core.types import Block, Progress, Replace, UserError


def fit_linear(loaded: LoadedModel, batches: Sequence[Batch], edit: Replace, progress: Progress) -> dict[str, Tensor]:
    """The new weights of layer `edit.block.start` - 1, by parameter name.

    One pass over the batches, up to the end of the block. Raises UserErr not be exact.
    """
    below = edit.block.start - 1
    if below < 0:
        raise UserError("Below layer 0 there is no MLP to fold a linear map into: start the block at layer 1 or above.")
    check_fold(loaded.stack.layers[below], run_block(loaded, _few_tokens(batches[0]), Block(below, below + 1)))
    return folded(loaded.stack.layers[below], best_change(loaded, batches, edit, progress))


def best_change(loaded: LoadedModel, batches: Sequence[Batch], edit: Replace, progress: Progress) -> Tensor:
    """T - 1 for the best map T, float64 [D, D], from the normal equations (m'm + r) (T - 1) = m'(z - x).

    r is `edit.fit.ridge` times the mean of the diagonal of m'm. The paper's ridge pulls T to 0, which would take the
    MLP away; this one pulls it to 1, the plain cut. Without a ridge both are the same least squares.
    """
    module = mlp_output(loaded.stack.layers[edit.block.start - 1])
    where = _float64_device(loaded)
    gram = torch.zeros(loaded.info.hidden_size, loaded.info.hidden_size, dtype=torch.float64, device=where)
    cross, seen = gram.clone(), 0
    caught: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _args, output: caught.append(first(output).clone()))
    progress.stage(
        f"fitting a linear map for layers {edit.block.start} to {edit.block.stop - 1}", len(batches), "batches"
    )
    try:
        for batch in batches:
            run = run_block(loaded, batch, edit.block)
            added = caught.pop().reshape(run.before.shape)[run.tokens].to(where, torch.float64)  # [N, D]
            change = run.after[run.tokens].to(where, torch.float64) - run.before[run.tokens].to(where, torch.float64)
            gram += added.mT @ added
            cross += added.mT @ change
            seen += len(added)
            progress.advance()
    finally:
        hook.remove()
    return _solved(gram, cross, edit.fit.ridge, seen)


def _solved(gram: Tensor, cross: Tensor, ridge: float, tokens: int) -> Tensor:
    """(gram + r)^-1 cross by Cholesky; all [D, D]."""
    shrunk = gram + ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    factor, failed = torch.linalg.cholesky_ex(shrunk)
    if failed.item() or not torch.isfinite(factor).all():
        raise UserError(
            f"A linear map cannot be found from {tokens} tokens with ridge {ridge}: use more text or a larger ridge."
        )
    return torch.cholesky_solve(cross, factor)


def _few_tokens(batch: Batch) -> Batch:
    return Batch(batch.input_ids[:1, :16], batch.attention_mask[:1, :16])


def _float64_device(loaded: LoadedModel) -> torch.device:
    """The model's device, or the CPU where that has no float64 (Apple's)."""
    device = loaded.model.device
    return torch.device("cpu") if device.type == "mps" else device
