"""A block run by itself: the states at its ends are the model's own, and nothing above it is computed."""

import pytest
import torch

from prune_core.data.batches import Batch
from prune_core.forward.block_run import apply, in_dtype, run_block, standing_in
from prune_core.model.stack import find_stack
from prune_core.schema.plan import Block
from tests.fixtures.tiny import FAMILIES, tiny_ids, tiny_loaded

LAYERS = 4
BLOCK = Block(1, 3)


def batch() -> Batch:
    mask = torch.ones(2, 20, dtype=torch.int64)
    mask[1, 13:] = 0
    return Batch(tiny_ids(2, 20), mask)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_ends_of_a_block_are_the_models_states(family: str) -> None:
    loaded, given = tiny_loaded(family, LAYERS), batch()
    layers, seen, ran = find_stack(loaded.model).layers, [], []
    hooks = [layer.register_forward_hook(lambda _l, _a, out: seen.append(out)) for layer in layers]
    loaded.model(input_ids=given.input_ids, attention_mask=given.attention_mask, use_cache=False)
    for hook in hooks:
        hook.remove()
    states = [(out[0] if isinstance(out, tuple) else out).clone() for out in seen]
    hook = layers[BLOCK.stop].register_forward_hook(lambda *_: ran.append(1))
    run = run_block(loaded, given, BLOCK)
    hook.remove()
    assert not ran and torch.equal(run.tokens, given.attention_mask.bool())
    for found, number in ((run.before, BLOCK.start - 1), (run.after, BLOCK.stop - 1)):
        torch.testing.assert_close(found[run.tokens], states[number][run.tokens], rtol=1e-5, atol=1e-5)
    once = apply(layers[BLOCK.start], run.call, run.before)
    torch.testing.assert_close(once[run.tokens], states[BLOCK.start][run.tokens], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "falcon"])
def test_what_stands_in_for_a_block_is_all_that_runs_there(family: str) -> None:
    loaded, given = tiny_loaded(family, LAYERS), batch()
    run, layers = run_block(loaded, given, BLOCK), find_stack(loaded.model).layers
    inputs = {"input_ids": given.input_ids, "attention_mask": given.attention_mask, "use_cache": False}
    whole = loaded.model(**inputs).logits
    with standing_in(layers, BLOCK, lambda states: run.after, run.call):
        assert torch.equal(loaded.model(**inputs).logits, whole)
    with standing_in(layers, BLOCK, lambda states: 0 * states, run.call):
        assert not torch.allclose(loaded.model(**inputs).logits, whole)
    assert torch.equal(loaded.model(**inputs).logits, whole)


def test_only_numbers_with_a_point_change_their_dtype_however_deep() -> None:
    given = {"mask": torch.ones(2), "pair": (torch.ones(1), [torch.tensor([1])]), "flag": True}
    found = in_dtype(given, torch.bfloat16)
    assert found["mask"].dtype == found["pair"][0].dtype == torch.bfloat16
    assert found["pair"][1][0].dtype == torch.int64 and found["flag"] is True and isinstance(found["pair"], tuple)
