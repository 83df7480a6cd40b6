"""Training a network to do the work of a block: minimises the squared error of the hidden state, with AdamW.

LLM-Streamline (arXiv 2403.19135). The donor's states are recomputed for every step, only up to the end of the block,
so that at most one batch of them is held. The best weights are copied whenever they are found.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prune_core.cut.replacements.curve import Point, Watch, unwatched
from prune_core.cut.replacements.held_back import drawn, split
from prune_core.data.batches import Batch
from prune_core.forward.block_run import BlockRun, apply, run_block, standing_in
from prune_core.forward.losses import summed_loss
from prune_core.model.load import LoadedModel
from prune_core.schema.errors import UserError
from prune_core.schema.fit import Fit
from prune_core.schema.plan import Block, Replace
from prune_core.schema.progress import Progress

LOOKS = 20
"""How often the network is validated on the held-back text, besides once before the first step."""


def train(
    net: nn.Module,
    loaded: LoadedModel,
    batches: Sequence[Batch],
    edit: Replace,
    progress: Progress,
    watch: Watch = unwatched,
) -> list[Point]:
    """Train `net`, a float32 layer, and leave the best weights in it; returns the curve, which `watch` sees grow.

    Loss: (1 - w) ||net(x) - z||^2 / ||x - z||^2 + w (next-token loss in nats), w = `edit.fit.lm_weight`; x and z are
    the states before and after the block, and the denominator is a constant, its mean over the held-back text.
    """
    fit = edit.fit
    check(fit)
    taught, held_back = split(batches, fit)
    scale = _scale(loaded, held_back, edit.block)
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=fit.first_rate, weight_decay=fit.weight_decay)
    looks = {round((look + 1) * fit.steps / LOOKS) for look in range(LOOKS)}
    title = f"training the network for layers {edit.block.start} to {edit.block.stop - 1}"
    progress.stage(title, fit.steps, "steps")
    points = [Point(0, math.nan, _held_back_loss(net, loaded, held_back, edit, scale, progress))]
    watch(points)
    best, lowest, recent = _copied(net), points[0].held_back, []
    for step, batch in zip(range(fit.steps), drawn(taught, fit), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, fit)
        recent.append(_step(net, loaded, batch, edit, scale, optimiser, trained))
        if step + 1 in looks:
            loss = _held_back_loss(net, loaded, held_back, edit, scale, progress)
            points.append(Point(step + 1, sum(recent) / len(recent), loss))
            recent.clear()
            watch(points)
            if loss < lowest:
                best, lowest = _copied(net), loss
        progress.advance()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(best[name])
    return points


def rate(step: int, fit: Fit) -> float:
    """The learning rate of step 0..steps-1: a linear warm-up, then half a cosine that ends exactly at `last_rate`."""
    rise = round(fit.warmup * fit.steps)
    if step < rise:
        return fit.first_rate * (step + 1) / (rise + 1)
    done = (step - rise) / max(1, fit.steps - 1 - rise)
    return fit.last_rate + (fit.first_rate - fit.last_rate) * (1 + math.cos(math.pi * done)) / 2


def check(fit: Fit) -> None:
    """Raises UserError for settings with which nothing can be trained."""
    if fit.steps < 1 or fit.batch < 1:
        raise UserError(f"{fit.steps} steps of {fit.batch} sequences train nothing: choose 1 or more of each.")
    if not 0 <= fit.last_rate <= fit.first_rate:
        raise UserError(f"The learning rate cannot go from {fit.first_rate} to {fit.last_rate}: it must not rise.")
    if not (0 <= fit.warmup < 1 and 0 < fit.held_back < 1 and 0 <= fit.lm_weight <= 1):
        raise UserError(
            f"The shares warmup {fit.warmup}, held_back {fit.held_back} and lm_weight {fit.lm_weight} are not all "
            "from 0 to 1: correct them, and hold some text back."
        )


# --- losses -----------------------------------------------------------------------------------------------------------


def _step(
    net: nn.Module,
    loaded: LoadedModel,
    batch: Batch,
    edit: Replace,
    scale: float,
    optimiser: torch.optim.Optimizer,
    trained: list[nn.Parameter],
) -> float:
    loss = _loss(net, loaded, batch, edit, scale)
    if not torch.isfinite(loss):
        raise UserError("Training diverged (its loss is not a number): choose a lower first_rate.")
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(trained, edit.fit.clip)
    optimiser.step()
    return loss.item()


def _loss(net: nn.Module, loaded: LoadedModel, batch: Batch, edit: Replace, scale: float) -> Tensor:
    """The loss of one batch, float32, with gradients where they are on."""
    weight = edit.fit.lm_weight
    run = run_block(loaded, batch, edit.block)
    error = _error(net, run) / (scale * run.tokens.sum())
    return error if weight == 0 else (1 - weight) * error + weight * _next_token(net, loaded, batch, edit, run)


def _error(net: nn.Module, run: BlockRun) -> Tensor:
    """The summed squared error over the batch's tokens."""
    return (apply(net, run.call, run.before.float()) - run.after.float())[run.tokens].square().sum()


def _next_token(net: nn.Module, loaded: LoadedModel, batch: Batch, edit: Replace, run: BlockRun) -> Tensor:
    """The mean next-token loss, in nats, of the model with the network in the block's place."""
    with standing_in(loaded.stack.layers, edit.block, lambda x: apply(net, run.call, x.float()).to(x.dtype), run.call):
        total, tokens = summed_loss(loaded.model, batch)
    return total / tokens


def _held_back_loss(
    net: nn.Module, loaded: LoadedModel, batches: list[Batch], edit: Replace, scale: float, progress: Progress
) -> float:
    """The loss on the held-back text, each batch weighted by its tokens."""
    total, tokens = 0.0, 0
    with torch.no_grad():
        for batch in batches:
            count = int(batch.attention_mask.sum())
            total += _loss(net, loaded, batch, edit, scale).item() * count
            tokens += count
            progress.advance(0)
    return total / tokens


def _scale(loaded: LoadedModel, batches: list[Batch], block: Block) -> float:
    """The mean over held-back tokens of ||x - z||^2: what the squared error would be if the block were dropped."""
    runs = (run_block(loaded, batch, block) for batch in batches)
    sums = [
        ((run.before.double() - run.after.double())[run.tokens].square().sum().item(), run.tokens.sum().item())
        for run in runs
    ]
    return sum(total for total, _ in sums) / sum(count for _, count in sums)


def _copied(net: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
