"""Dropping a layer's attention or MLP: the last matrix of that part is set to zero, so that it adds nothing.

So a checkpoint without some parts is a plain model of its family, which any transformers can load; but it is no smaller
and no faster than before. If zero weights are not the same as no part, as with a norm that adds a bias afterwards, the
drop is refused: this is tested on the layer itself, not inferred from its name.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prune_core.forward.layer_runs import Recording, record
from prune_core.forward.swaps import swap_weights
from prune_core.model.stack import ATTENTION_OUT, EXPERTS_OUT, MLP_OUT, submodule
from prune_core.schema.errors import UserError
from prune_core.schema.plan import DropPart, Part, Plan

LEAVES = ("weight", "bias", "down_proj", "down_proj_bias")
"""The weights of a last matrix; the last two are those of stacked experts."""


def silent(layer: nn.Module, part: Part) -> dict[str, Tensor]:
    """Zero weights, by parameter name inside the layer, that make `part` output zero.

    For a mixture of experts, all experts. UserError if this family's part is not known.
    """
    parameters = dict(layer.named_parameters())
    names = [f"{path}.{leaf}" for path in _last_matrices(layer, part) for leaf in LEAVES]
    zeros = {name: _zeros(parameters[name]) for name in names if name in parameters}
    if not zeros:
        what = "attention" if part == "attention" else "MLP"
        raise UserError(
            f"The {what} of a {type(layer).__name__} was not found, so it cannot be dropped alone: drop the layer."
        )
    return zeros


def _zeros(like: Tensor) -> Tensor:
    """One expanded zero, which takes no memory; real zeros for stacked experts, whose kernel reads strides."""
    return like.new_zeros(()).expand_as(like) if like.dim() <= 2 else torch.zeros_like(like)


def _last_matrices(layer: nn.Module, part: Part) -> tuple[str, ...]:
    found = submodule(layer, ATTENTION_OUT if part == "attention" else MLP_OUT)
    if found is not None:
        return (found[0],)
    return EXPERTS_OUT if part == "mlp" else ()


def check_plan(model: PreTrainedModel, plan: Plan) -> None:
    """Raises UserError if a part that `plan` drops would still change the hidden state."""
    layers = sorted({layer for edit in plan.edits if isinstance(edit, DropPart) for layer in edit.layers})
    if layers:
        tokens = torch.zeros(1, 2, dtype=torch.int64)
        run = record(model, tokens, torch.ones_like(tokens), keep_states=False)
        for layer in layers:
            check(run, layer)


def check(run: Recording, number: int) -> None:
    """Raises UserError unless layer `number`, with both parts silent, outputs exactly its input."""
    layer, model = run.layers[number], run.model
    size = model.config.get_text_config(decoder=True).hidden_size
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(*run.input_ids.shape, size, generator=generator).to(run.input_ids.device, model.dtype)
    restore = swap_weights(layer, silent(layer, "attention") | silent(layer, "mlp"))
    try:
        passed = torch.equal(run.run(states, [number]), states)
    finally:
        restore()
    if not passed:
        raise UserError(
            f"Parts of layer {number} cannot be dropped exactly, because a {type(layer).__name__} changes the hidden "
            "state even when attention and MLP add nothing (by a norm or a bias after them): drop the layer."
        )
