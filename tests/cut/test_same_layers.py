"""Whether kept layers still compute what they did: any plain setting that differs is found, their number is not one."""

import copy

import pytest
from torch import nn

from prune_core.cut.same_layers import check
from prune_core.model.stack import find_stack
from prune_core.schema.errors import UserError
from tests.fixtures.tiny import FAMILIES, tiny_model

KEPT = (0, 2, 3)


def cut(family: str) -> tuple[nn.ModuleList, nn.ModuleList]:
    """The donor's layers, and copies of the kept ones under their new numbers."""
    donor = find_stack(tiny_model(family, 4)).layers
    new = nn.ModuleList(copy.deepcopy(donor[old]) for old in KEPT)
    for number, layer in enumerate(new):
        for module in layer.modules():
            for name in ("layer_idx", "layer_number"):
                if isinstance(vars(module).get(name), int):
                    setattr(module, name, getattr(module, name) - KEPT[number] + number)
    return donor, new


@pytest.mark.parametrize("family", FAMILIES)
def test_copies_under_new_numbers_are_the_same(family: str) -> None:
    check(*cut(family), KEPT)


def test_another_setting_another_module_and_another_number_are_noticed() -> None:
    changes = {
        "self_attn.scaling 0.5 instead of": lambda layer: setattr(layer.self_attn, "scaling", 0.5),
        "self_attn.layer_idx 7 instead of 1": lambda layer: setattr(layer.self_attn, "layer_idx", 7),
        "module mlp.extra": lambda layer: layer.mlp.add_module("extra", nn.Identity()),
        "mlp.act_fn is a Tanh": lambda layer: setattr(layer.mlp, "act_fn", nn.Tanh()),
    }
    for words, change in changes.items():
        donor, new = cut("llama")
        change(new[1])
        with pytest.raises(UserError, match=f"^Layer 2 would compute something else as layer 1 \\(.*{words}"):
            check(donor, new, KEPT)


def test_a_missing_layer_is_told() -> None:
    donor, new = cut("llama")
    with pytest.raises(UserError, match="has 2 layers where 3 were planned"):
        check(donor, new[:2], KEPT)
