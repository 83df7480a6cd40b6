"""Weights times gradients: those of one plain backward pass."""

import pytest
import torch
from torch import nn

from prune_core.model.stack import find_stack
from prune_core.schema.progress import Silent
from prune_core.search.planned_runs import PlannedRuns
from prune_core.search.taylor import taylor
from tests.methods.models import alike_model, loaded, ragged_batches

LAYERS = 6


BATCHES = ragged_batches((20, 13, 7, 17, 20), batch=2)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_taylor_importance_is_that_of_one_backward_pass(family):
    model = alike_model(family, LAYERS)
    scores = taylor(PlannedRuns(loaded(model), BATCHES, Silent()), find_stack(model).layers, lambda: None)
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())

    for parameter in model.parameters():
        parameter.requires_grad_(True)
    total, tokens = torch.zeros(()), 0
    for batch in BATCHES:
        counted = (batch.attention_mask[:, 1:] * batch.attention_mask[:, :-1]).bool()
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        total = total + nn.functional.cross_entropy(
            logits[:, :-1][counted], batch.input_ids[:, 1:][counted], reduction="sum"
        )
        tokens += int(counted.sum())
    (total / tokens).backward()
    expected = [
        sum((p.grad * p).abs().sum().item() for name, p in layer.named_parameters() if name.endswith("weight"))
        for layer in find_stack(model).layers
    ]
    assert scores.tolist() == pytest.approx(expected, rel=1e-4)
