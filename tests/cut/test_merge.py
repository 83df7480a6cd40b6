"""Merged layers against the published formulas, and the preview of a merge against its checkpoint."""

import copy
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from prune_core.cut import build, edits, merge
from prune_core.cut.preview import planned
from prune_core.model.stack import find_stack
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Drop, Merge, Plan
from tests.fixtures.checkpoints import digest, logits, reloaded
from tests.fixtures.tiny import FAMILIES, tiny_model

LAYERS = 6


def literal_merge(donor: PreTrainedModel, into: int, layers: tuple[int, ...], rule: str) -> dict[str, torch.Tensor]:
    """LaCo's merge as the paper's formula (rdsc), and as its released code's loop (telescoped), in float64."""
    base = {k: v.double() for k, v in find_stack(donor).layers[into].state_dict().items()}
    current = copy.deepcopy(base)
    for layer in layers:
        for name, weight in find_stack(donor).layers[layer].state_dict().items():
            if weight.dim() == 2:
                current[name] += weight.double() - (base if rule == "rdsc" else current)[name]
    return current


@pytest.mark.parametrize("rule", merge.RULES)
@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt_neox"])
def test_merge_follows_the_formula(family: str, rule: str) -> None:
    donor = tiny_model(family, LAYERS)
    before = digest(donor)
    built = build.build(donor, Plan(LAYERS, (Drop((0,)), Merge(2, (3, 4), rule))))
    merged = find_stack(built).layers[1].state_dict()
    for name, expected in literal_merge(donor, 2, (3, 4), rule).items():
        torch.testing.assert_close(merged[name].double(), expected, atol=1e-6, rtol=0)
    assert digest(donor) == before


@pytest.mark.parametrize("rule", merge.RULES)
@pytest.mark.parametrize("family", FAMILIES)
def test_merged_preview_built_and_reloaded_agree(family: str, rule: str, tmp_path: Path) -> None:
    alike = {"mlp_only_layers": []} if family == "qwen3_moe" else {}  # a dense layer cannot be merged into experts
    donor = tiny_model(family, LAYERS, **alike)
    before = digest(donor)
    plan = Plan(LAYERS, (Merge(1, (2, 3), rule), Drop((5,))))
    with planned(donor, plan):
        previewed = logits(donor)
    built = build.build(donor, plan)
    assert torch.equal(logits(built), previewed)
    assert digest(donor) == before
    built.save_pretrained(tmp_path)
    assert torch.equal(logits(reloaded(tmp_path)), previewed)


def test_merges_that_make_no_sense_are_refused() -> None:
    donor = tiny_model("qwen3_moe", 4)  # layer 1 is dense, the others hold experts
    layers = find_stack(donor).layers
    with pytest.raises(UserError, match="Layer 1 cannot be merged into layer 0: their weights differ in shape"):
        edits.changed_weights(Plan(4, (Merge(0, (1,)),)), layers)
    with pytest.raises(UserError, match="no merge rule 'mean': choose one of rdsc, telescoped"):
        edits.changed_weights(Plan(4, (Merge(2, (3,), "mean"),)), layers)
