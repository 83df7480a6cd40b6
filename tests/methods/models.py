"""Tiny models for tests of methods: neighbours made alike, redundancy planted, ragged text."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prune_core.data.batches import Batch
from prune_core.model.load import LoadedModel
from prune_core.model.stack import find_stack
from prune_core.schema.plan import PARTS, DropPart, Plan
from tests.fixtures.tiny import tiny_ids, tiny_loaded, tiny_model

OUTPUTS = ("o_proj", "down_proj", "c_proj", "dense", "dense_4h_to_h", "out_proj", "fc2")
"""The last matrices of attention and MLP, by the names of the families."""


def loaded(model: PreTrainedModel) -> LoadedModel:
    """`model` as `model.load` would give it."""
    like = tiny_loaded("llama", 1)
    stack = find_stack(model)
    return replace(like, model=model, stack=stack, info=replace(like.info, num_layers=len(stack.layers)))


def outputs_of(layer: nn.Module) -> list[nn.Module]:
    """The modules through which a layer adds to the hidden states."""
    return [module for name, module in layer.named_modules() if name.rpartition(".")[2] in OUTPUTS]


def alike_model(family: str, layers: int, difference: float = 0.3, seed: int = 0) -> PreTrainedModel:
    """A tiny model whose neighbours can be merged: each layer is the first one plus a part of what it differs by."""
    model = tiny_model(family, layers, seed)
    first, *others = find_stack(model).layers
    for layer in others:
        for parameter, common in zip(layer.parameters(), first.parameters(), strict=True):
            parameter.data.lerp_(common.data, 1 - difference)
    for layer in (first, *others):
        _scale(layer, 0.5)
    return model


def planted_model(family: str, layers: int, planted: tuple[int, ...]) -> PreTrainedModel:
    """A tiny model in which the `planted` layers, and no others, add nothing to the hidden states.

    It is sure of what it says, so that whatever is taken from it costs something on its own words.
    """
    model = tiny_model(family, layers)
    norm = find_stack(model).norm
    assert norm is not None
    for parameter in norm.parameters():
        parameter.data.mul_(8)
    for number in planted:
        _scale(find_stack(model).layers[number], 0.0)
    return model


def ragged_batches(lengths: tuple[int, ...], batch: int, seed: int = 0) -> list[Batch]:
    """Sequences of these lengths, `batch` at a time, padded on the right."""
    longest = max(lengths)
    ids, mask = tiny_ids(len(lengths), longest, seed), torch.zeros(len(lengths), longest, dtype=torch.int64)
    for row, length in enumerate(lengths):
        mask[row, :length] = 1
    return [Batch(ids[i : i + batch], mask[i : i + batch]) for i in range(0, len(lengths), batch)]


def sentences(batches: list[Batch]) -> list[Tensor]:
    """Each sequence by itself, int64 [1, T], without padding."""
    rows = [(ids, mask) for batch in batches for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True)]
    return [ids[None, : int(mask.sum())] for ids, mask in rows]


def parts_gone(plan: Plan) -> set[tuple[str, int]]:
    """Every attention and MLP that `plan` takes away, of dropped layers and of those that stay."""
    whole = {(part, layer) for layer in plan.removed for part in PARTS}
    halves = {(edit.part, layer) for edit in plan.edits if isinstance(edit, DropPart) for layer in edit.layers}
    return whole | halves


def _scale(layer: nn.Module, by: float) -> None:
    for module in outputs_of(layer):
        for parameter in module.parameters():
            parameter.data.mul_(by)
