"""Dropping attention or MLP alone: the preview, the built and the reloaded model are the model without that branch."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from prune_core.cut import build, parts
from prune_core.cut.preview import planned
from prune_core.forward.swaps import swap_forward
from prune_core.model.stack import find_stack
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Drop, DropPart, Merge, Part, Plan
from tests.fixtures.checkpoints import continuation, digest, logits, no_warnings, reloaded
from tests.fixtures.tiny import FAMILIES, tiny_model

LAYERS = 4
PLANS = (
    Plan(LAYERS, (DropPart("attention", (1, 3)),)),
    Plan(LAYERS, (DropPart("mlp", (0,)),)),
    Plan(LAYERS, (DropPart("attention", (0, 1, 2, 3)),)),
    Plan(LAYERS, (DropPart("attention", (0,)), DropPart("mlp", (1, 3)), Drop((2,)))),
)
TRANSCRIBED = ("llama", "gpt2", "opt", "gpt_neox", "falcon")


def without(layer: Any, family: str, part: Part) -> Callable[..., Any]:
    """The layer's forward as its family writes it, one branch left out."""
    before, attention, between = {
        "llama": ("input_layernorm", "self_attn", "post_attention_layernorm"),
        "gpt2": ("ln_1", "attn", "ln_2"),
        "opt": ("self_attn_layer_norm", "self_attn", "final_layer_norm"),
        "gpt_neox": ("input_layernorm", "attention", "post_attention_layernorm"),
        "falcon": ("input_layernorm", "self_attention", "input_layernorm"),
    }[family]

    def mlp(states):
        normed = layer.get_submodule(between)(states)
        return layer.fc2(layer.activation_fn(layer.fc1(normed))) if family == "opt" else layer.mlp(normed)

    def forward(*args, **given):
        states = args[0] if args else given.pop("hidden_states")
        if part == "attention":
            out = states + mlp(states)
        else:
            out = states + layer.get_submodule(attention)(layer.get_submodule(before)(states), *args[1:], **given)[0]
        return (out, None) if family == "falcon" else out

    return forward


@pytest.mark.parametrize("family", TRANSCRIBED)
@pytest.mark.parametrize("part", ["attention", "mlp"])
def test_the_branch_is_left_out(family: str, part: Part) -> None:
    model = tiny_model(family, LAYERS)
    full = logits(model)
    with planned(model, Plan(LAYERS, (DropPart(part, (1, 2)),))):
        previewed = logits(model)
    with ExitStack() as restore:
        for number in (1, 2):
            layer = find_stack(model).layers[number]
            restore.callback(swap_forward(layer, without(layer, family, part)))
        torch.testing.assert_close(previewed, logits(model), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(previewed, full, atol=1e-3), "the cut must be seen"


@pytest.mark.parametrize("family", FAMILIES)
def test_preview_built_and_reloaded_agree(family: str, tmp_path: Path) -> None:
    donor = tiny_model(family, LAYERS)
    before = digest(donor)
    for number, plan in enumerate(PLANS):
        with planned(donor, plan):
            previewed = logits(donor)
        built = build.build(donor, plan)
        assert digest(donor) == before
        assert torch.equal(logits(built), previewed)
        assert built.config.num_hidden_layers == len(plan.kept)
        with no_warnings():
            built.save_pretrained(tmp_path / str(number))
        again = reloaded(tmp_path / str(number))
        assert torch.equal(logits(again), previewed)
        assert continuation(again, use_cache=True) == continuation(again, use_cache=False)


def test_both_parts_gone_is_the_layer_gone() -> None:
    model = tiny_model("gpt_neox", LAYERS)
    layer = find_stack(model).layers[2]
    with torch.no_grad():
        for part in ("attention", "mlp"):
            for name in parts.silent(layer, part):
                layer.get_parameter(name).zero_()
    full = logits(model)
    with planned(model, Plan(LAYERS, (Drop((2,)),))):
        assert torch.equal(logits(model), full)


def test_zeros_take_no_memory() -> None:
    layer = find_stack(tiny_model("llama", 1)).layers[0]
    assert all(zeros.untyped_storage().nbytes() == 4 for zeros in parts.silent(layer, "mlp").values())


# --- refusals ---------------------------------------------------------------------------------------------------------

ONE_PART = Plan(LAYERS, (DropPart("attention", (2,)),))


def test_a_norm_with_a_bias_after_the_branch_is_refused() -> None:
    model = tiny_model("gemma2", LAYERS)
    layer = find_stack(model).layers[2]
    layer.post_attention_layernorm = nn.LayerNorm(32).requires_grad_(False)
    parts.check_plan(model, ONE_PART)
    nn.init.ones_(layer.post_attention_layernorm.bias)
    before = digest(model)
    with pytest.raises(UserError, match=r"^Parts of layer 2 cannot be dropped exactly, because .*: drop the layer\.$"):
        build.build(model, ONE_PART)
    with pytest.raises(UserError, match="cannot be dropped exactly"), planned(model, ONE_PART):
        pass
    assert digest(model) == before


def test_norms_after_the_addition_are_refused() -> None:
    with pytest.raises(UserError, match="cannot be dropped exactly"):
        build.build(tiny_model("opt", LAYERS, do_layer_norm_before=False), ONE_PART)


def test_an_unknown_part_is_refused() -> None:
    model = tiny_model("llama", LAYERS)
    layer = find_stack(model).layers[2]
    layer.mixer, layer.self_attn = layer.self_attn, nn.Identity()
    with pytest.raises(UserError, match=r"^The attention of a LlamaDecoderLayer was not found.*: drop the layer\.$"):
        parts.silent(layer, "attention")


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        ((DropPart("mlp", ()),), "removes nothing"),
        ((DropPart("mlp", (1, 1)),), "names a layer twice"),
        ((DropPart("mlp", (4,)),), "Layer 4 does not exist"),
        ((DropPart("mlp", (1,)), DropPart("mlp", (1, 2))), "Layer 1 is in two edits"),
        ((DropPart("mlp", (1,)), Drop((1,))), "Layer 1 is in two edits"),
        ((Merge(1, (2,)), DropPart("attention", (1,))), "Layer 1 is in two edits"),
        ((DropPart("mlp", (1, 2)), DropPart("attention", (2, 3))), "Layer 2 would lose both .*: drop the layer"),
    ],
)
def test_parts_that_clash_are_refused_in_a_sentence(edits, why) -> None:
    with pytest.raises(UserError, match=rf"^[A-Z].*{why}.*\.$|^{why}.*\.$"):
        Plan(4, edits)
