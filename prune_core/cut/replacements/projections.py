"""Where a layer's MLP and attention write into the hidden state, family by family, and folding a linear map into it.

Names say where to look; whether a fold is exact is not inferred from the name but measured on a copy of the layer.
"""

import copy

import torch
from torch import Tensor, nn

from prune_core.forward.block_run import BlockRun, apply
from prune_core.model.stack import EXPERTS_OUT, MLP_OUT, submodule
from prune_core.model.transformers_parts import Conv1D
from prune_core.schema.errors import UserError

TOLERANCE = 1e-3
"""Largest relative error, in float32, at which a fold counts as exact."""


def mlp_output(layer: nn.Module) -> nn.Module:
    """The module whose output is what the MLP adds to the hidden state. UserError if it is not known."""
    found = submodule(layer, (*MLP_OUT, "mlp"))
    if found is None:
        raise UserError(
            f"The MLP of a {type(layer).__name__} was not found, so nothing can be folded into it: choose 'layer'."
        )
    return found[1]


def folded(layer: nn.Module, change: Tensor) -> dict[str, Tensor]:
    """New weights by parameter name, with which the MLP outputs m (1 + change) instead of m.

    change: [D, D]. Computed in its dtype (float64 for results), returned in the weights' dtype.
    """
    found = submodule(layer, MLP_OUT)
    weights = {}
    for path in [found[0]] if found else EXPERTS_OUT:
        for leaf in ("weight", "bias", "down_proj", "down_proj_bias"):
            parameter = dict(layer.named_parameters()).get(f"{path}.{leaf}")
            if parameter is not None:
                rows = _reads_rows(layer.get_submodule(path), leaf)
                weights[f"{path}.{leaf}"] = _mapped(parameter, change, rows).to(parameter.dtype)
    return weights


def _reads_rows(module: nn.Module, leaf: str) -> bool:
    """Whether the weight's last axis is the output ([in, out]); Linear has it the other way round ([out, in])."""
    if leaf == "down_proj":  # stacked experts: [E, out, in], or [E, in, out] if the module says so
        return bool(getattr(module, "is_transposed", False))
    return leaf.endswith("bias") or isinstance(module, Conv1D)


def _mapped(weight: Tensor, change: Tensor, reads_rows: bool) -> Tensor:
    exact = weight.detach().to(change)
    return exact + (exact @ change if reads_rows else change.mT @ exact)


def check_fold(layer: nn.Module, run: BlockRun) -> None:
    """Raises UserError unless a linear map folded into this layer's MLP is exactly that map on what the MLP adds.

    Tried with a random map on a float32 copy of the layer and the first tokens of `run`, whose block starts here.
    Families that normalise or scale the MLP's output before adding it fail (Gemma 2 and 3, OLMo 2, Granite).
    """
    trial = copy.deepcopy(layer).float()
    size = run.before.shape[-1]
    generator = torch.Generator().manual_seed(0)
    change = (torch.randn(size, size, generator=generator, dtype=torch.float64) / size**0.5).to(run.before.device)
    states = run.before.float()
    caught: list[Tensor] = []
    hook = mlp_output(trial).register_forward_hook(lambda _m, _a, out: caught.append(first(out).clone()))
    with torch.no_grad():
        plain = apply(trial, run.call, states)
        hook.remove()
        parameters = dict(trial.named_parameters())
        for name, weight in folded(trial, change).items():
            parameters[name].data = weight
        mapped = apply(trial, run.call, states)
    wanted = caught[0].reshape(states.shape) @ change.float()
    error = (mapped - plain - wanted).norm() / wanted.norm()
    if not error < TOLERANCE:
        raise UserError(
            f"A linear map cannot be folded exactly into the MLP of a {type(layer).__name__}, because its output is "
            "changed again before it is added: replace the block with 'layer' instead."
        )


def first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    """A module's output, or the first of several."""
    return output[0] if isinstance(output, tuple) else output
