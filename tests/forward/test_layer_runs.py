"""Layers run again on cached states give what the model gives, for every family."""

import pytest
import torch

from prune_core.cut.preview import planned
from prune_core.forward import layer_runs
from prune_core.schema.plan import drop_plan
from tests.fixtures.tiny import FAMILIES, tiny_ids, tiny_model

LAYERS = 5
LENGTH = 20  # beyond the sliding window of 8


def padded(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Ragged sequences, padded on the right."""
    ids, mask = tiny_ids(batch, LENGTH), torch.ones(batch, LENGTH, dtype=torch.int64)
    for row in range(1, batch):
        mask[row, LENGTH - 3 * row :] = 0
    return ids, mask


@pytest.mark.parametrize("family", FAMILIES)
def test_skipping_a_block_on_cached_states_is_dropping_it(family):
    model = tiny_model(family, LAYERS)
    ids, mask = padded()
    recording = layer_runs.record(model, ids, mask)
    assert len(recording.states) == LAYERS + 1
    kept = mask.bool()
    for start, stop in ((0, 1), (1, 3), (3, 5), (2, 2)):
        given = recording.states[start].clone()
        found = recording.logits(recording.run(given, range(stop, LAYERS)))
        with torch.inference_mode(), planned(model, drop_plan(LAYERS, list(range(start, stop)))):
            expected = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        torch.testing.assert_close(found[kept], expected[kept], rtol=1e-5, atol=1e-5)
        assert torch.equal(given, recording.states[start])  # nothing was changed in place


@pytest.mark.parametrize("family", ["llama", "falcon"])
def test_the_model_is_left_as_it_was(family):
    model = tiny_model(family, LAYERS)
    ids, mask = padded()
    before = model(input_ids=ids, attention_mask=mask).logits
    recording = layer_runs.record(model, ids, mask, keep_states=False)
    assert len(recording.states) == 1
    recording.logits(recording.run(recording.states[0], [3]))
    assert torch.equal(model(input_ids=ids, attention_mask=mask).logits, before)
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in recording.layers)
    assert not any("forward" in vars(layer) for layer in recording.layers)


def test_logits_of_some_rows_only():
    model = tiny_model("gemma2", LAYERS)
    ids, mask = padded()
    recording = layer_runs.record(model, ids, mask)
    everything = recording.logits(recording.states[-1])
    part = recording.logits(recording.states[-1][1:], slice(1, None))
    torch.testing.assert_close(part[0, : mask[1].sum()], everything[1, : mask[1].sum()], rtol=1e-5, atol=1e-5)
