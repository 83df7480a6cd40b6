"""LinearPatch (arXiv 2505.24680, NeurIPS 2025): channels rescaled at the cut, in a Hadamard basis.

P = H diag(d) H', with H the orthonormal Hadamard matrix and d_k the mean over texts of mean |(z H)_k| / mean |(x H)_k|
over a text's tokens; x is the state before the block, z the state after it. The layers above the cut read x P.

A plain model cannot hold P: the state that it multiplies runs on through all later layers, and no matrix of the model
is applied to that state alone (norms and sums come in between). So it can be previewed, but building it is refused.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from prune_core.data.batches import Batch
from prune_core.forward.block_run import run_block
from prune_core.model.load import LoadedModel
from prune_core.schema.plan import Replace
from prune_core.schema.progress import Progress


def fit_patch(loaded: LoadedModel, batches: Sequence[Batch], edit: Replace, progress: Progress) -> dict[str, Tensor]:
    """{"patch": P}, float32 [D, D]. If D is not a power of two, H is the identity and P is diagonal.

    One pass over the batches, up to the end of the block.
    """
    rotation = hadamard(loaded.info.hidden_size).to(loaded.model.device)
    ratios = torch.zeros(loaded.info.hidden_size, device=loaded.model.device)
    texts = 0
    progress.stage(f"measuring channels at layers {edit.block.start} to {edit.block.stop - 1}", len(batches), "batches")
    for batch in batches:
        run = run_block(loaded, batch, edit.block)
        weights = run.tokens.float()[..., None]  # [B, T, 1]
        before, after = (((states.float() @ rotation).abs() * weights).sum(1) for states in (run.before, run.after))
        ratios += (after / before.clamp_min(torch.finfo(before.dtype).tiny)).sum(0)
        texts += len(batch.input_ids)
        progress.advance()
    return {"patch": rotation @ ((ratios / texts)[:, None] * rotation.mT)}


def hadamard(size: int) -> Tensor:
    """The orthonormal Hadamard matrix of Sylvester, float32 [size, size]; the identity if size is not a power of 2."""
    if size & (size - 1):
        return torch.eye(size)
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / size**0.5
