"""The networks that are trained: a transformer layer of the model's own family, with or without its attention.

LLM-Streamline (arXiv 2403.19135) replaces a block by an FFN, a SwiGLU or a transformer layer. A plain transformers
model can only hold layers of its family, so here all three are one: an MLP alone is a layer whose attention writes
nothing (its output projection is zero). Differences from the paper's FFN and SwiGLU: the layer's own norm comes before
the MLP and its residual sum after it, its width is the family's, it is initialised from the MLP of the first removed
layer, and the silent attention's weights stay in the file. A family has one kind of MLP, and only that is offered.
"""

import copy

import torch
from torch import Tensor, nn

from prune_core.forward.block_run import BlockRun, apply
from prune_core.model.stack import ATTENTION_OUT, submodule
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Replace

GATES = ("mlp.gate_proj", "mlp.gate_up_proj")
TWO_MATRICES = ("fc1", "mlp.fc1", "mlp.c_fc", "mlp.fc_in", "mlp.dense_h_to_4h", "mlp.up_proj")


def network(layer: nn.Module, edit: Replace) -> nn.Module:
    """A float32 copy of `layer`, the block's first, to be trained; only what `edit.by` trains requires gradients.

    Raises UserError if this family's layers cannot hold such a network.
    """
    copied = copy.deepcopy(layer).float().requires_grad_(True)
    if edit.by == "layer":
        return copied
    kind = mlp_kind(layer)
    if kind != edit.by:
        has = f"choose '{kind}' or 'layer'" if kind else "choose 'layer'"
        raise UserError(
            f"A {type(layer).__name__} cannot hold '{edit.by}', so a plain model could not load it: {has} instead."
        )
    return _without_attention(copied)


def mlp_kind(layer: nn.Module) -> str | None:
    """ "swiglu" for a gated MLP (whatever its activation), "ffn" for two matrices, None for experts and others."""
    if submodule(layer, ("mlp.experts",)) is not None:
        return None
    if submodule(layer, GATES) is not None:
        return "swiglu"
    return "ffn" if submodule(layer, TWO_MATRICES) is not None else None


def _without_attention(layer: nn.Module) -> nn.Module:
    """`layer` with an attention that writes nothing and is not trained."""
    found = submodule(layer, ATTENTION_OUT)
    if found is None:
        raise UserError(f"The attention of a {type(layer).__name__} was not found: choose 'layer' instead.")
    path, projection = found
    attention = path.rpartition(".")[0]
    layer.get_submodule(attention).requires_grad_(False)
    with torch.no_grad():
        for parameter in projection.parameters():
            parameter.zero_()
    return layer


def check_token_by_token(layer: nn.Module, run: BlockRun) -> None:
    """Raises UserError if a layer without attention still mixes tokens (mixers other than attention do)."""
    states = run.before[:1].float()
    other = states.clone()
    other[:, 0] += states.std()
    with torch.no_grad():
        last, same = (_first_row(layer, run, given)[:, 1:] for given in (states, other))
    if not torch.equal(last, same):
        raise UserError(f"A {type(layer).__name__} mixes tokens outside its attention: choose 'layer' instead.")


def _first_row(layer: nn.Module, run: BlockRun, states: Tensor) -> Tensor:
    rows = run.before.shape[0]
    return apply(layer, run.call, states.expand(rows, -1, -1).contiguous())[:1]


def trained_weights(layer: nn.Module) -> dict[str, Tensor]:
    """All weights of a network by parameter name, as they will be in the model."""
    return {name: parameter.detach() for name, parameter in layer.named_parameters()}
