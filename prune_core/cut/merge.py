"""Merging layers: the weights that remain when several layers become one (LaCo, arXiv 2402.11187)."""

import torch
from torch import Tensor, nn

from prune_core.schema.errors import UserError
from prune_core.schema.plan import Merge


def rdsc(base: Tensor, merged: list[Tensor], factors: tuple[int, ...] = ()) -> Tensor:
    """The paper's rule: theta_l + sum_k f_k (theta_{l+k} - theta_l), summed in float32 or better; f_k is 1 by default.

    base: a weight of the layer that stays, any shape; merged: the same weight of the layers that go. Same dtype out.
    A merge of merges is one merge with other factors: the rule is linear and its weights sum to 1.
    """
    factors = factors or (1,) * len(merged)
    total = base.to(torch.promote_types(base.dtype, torch.float32)) * (1 - sum(factors))
    for weight, factor in zip(merged, factors, strict=True):
        total.add_(weight.to(base.device), alpha=factor)
    return total.to(base.dtype)


def telescoped(base: Tensor, merged: list[Tensor], factors: tuple[int, ...] = ()) -> Tensor:
    """The rule of the paper's released code: its sum telescopes to the weight of the last merged layer."""
    return merged[-1].to(base.device, copy=True)


RULES = {"rdsc": rdsc, "telescoped": telescoped}


def merged_weights(edit: Merge, layers: nn.ModuleList) -> dict[str, Tensor]:
    """The new weights of layer `edit.into`, by parameter name inside the layer; the donor's `layers` are not changed.

    Only matrices are merged (attention and MLP projections, stacked experts); norms and biases are those of `into`.
    Raises UserError for an unknown rule, and for layers that differ in kind or size.
    """
    if edit.rule not in RULES:
        raise UserError(f"There is no merge rule '{edit.rule}': choose one of {', '.join(RULES)}.")
    base = dict(layers[edit.into].named_parameters())
    order = sorted(range(len(edit.layers)), key=lambda place: edit.layers[place])
    factors = tuple(edit.factors[place] for place in order) if edit.factors else ()
    others = [dict(layers[edit.layers[place]].named_parameters()) for place in order]
    for layer, other in zip(sorted(edit.layers), others, strict=True):
        if {name: p.shape for name, p in base.items()} != {name: p.shape for name, p in other.items()}:
            raise UserError(f"Layer {layer} cannot be merged into layer {edit.into}: their weights differ in shape.")
    rule = RULES[edit.rule]
    with torch.no_grad():
        return {name: rule(p, [other[name] for other in others], factors) for name, p in base.items() if p.dim() >= 2}
