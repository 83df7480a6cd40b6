"""Merging layers: the weights that stay behind when several layers become one (LaCo, arXiv 2402.11187)."""

import torch
from torch import Tensor, nn

from prune_core.types import Merge, UserError


def rdsc(base: Tensor, merged: list[Tensor]) -> Tensor:
    """The paper's rule: theta_l + sum_k (theta_{l+k} - theta_l), summed in float32 or better.

    base: a weight of the layer that stays, any shape; merged: the same weight of the layers that go. Same dtype out.
    """
    exact = base.to(torch.promote_types(base.dtype, torch.float32))
    total = exact.clone()
    for weight in merged:
        total += weight.to(exact) - exact
    return total.to(base.dtype)


def telescoped(base: Tensor, merged: list[Tensor]) -> Tensor:
    """The rule of the paper's released code: its sum telescopes to the weight of the last merged layer."""
    return merged[-1].to(base.device, copy=True)


RULES = {"rdsc": rdsc, "telescoped": telescoped}


def merged_weights(edit: Merge, layers: nn.ModuleList) -> dict[str, Tensor]:
    """The new weights of layer `edit.into`, by parameter name inside the layer; the donor's `layers` stay as they are.

    Only matrices are merged (attention and MLP projections, stacked experts); norms and biases stay those of `into`.
    Raises UserError for an unknown rule, and for layers that differ in kind or size.
    """
    if edit.rule not in RULES:
        raise UserError(f"There is no merge rule '{edit.rule}': choose one of {', '.join(RULES)}.")
    base = dict(layers[edit.into].named_parameters())
    others = [dict(layers[layer].named_parameters()) for layer in sorted(edit.layers)]
    for layer, other in zip(sorted(edit.layers), others, strict=True):
        if {name: p.shape for name, p in base.items()} != {name: p.shape for name, p in other.items()}:
            raise UserError(f"Layer {layer} cannot be merged into layer {edit.into}: their weights differ in shape.")
    rule = RULES[edit.rule]
    with torch.no_grad():
        return {name: rule(p, [other[name] for other in others]) for name, p in base.items() if p.dim() >= 2}
