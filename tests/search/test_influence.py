"""What attention and MLP each change: the states around them, taken by hooks."""

import pytest
import torch
from torch import nn

from prune_core.model.stack import find_stack
from prune_core.schema.progress import Silent
from prune_core.search.influence import part_influence
from prune_core.search.planned_runs import PlannedRuns
from tests.methods.models import loaded, ragged_batches

LAYERS = 6


BATCHES = ragged_batches((20, 13, 7, 17, 20), batch=2)


ADDS = {"llama": "self_attn", "gemma2": "post_attention_layernorm", "gpt2": "attn", "opt": "self_attn"}


"""The module that puts out what attention adds to the hidden state."""


def test_part_influence_is_that_of_the_states_around_each_part(model):
    """The state between the parts is a layer's input and what its attention adds, in these families."""
    layers, seen = find_stack(model).layers, []

    def note(_layer, args, named, out):
        seen.append(
            (args[0] if args else named["hidden_states"], added.pop(), out[0] if isinstance(out, tuple) else out)
        )

    added: list[torch.Tensor] = []
    hooks = [layer.register_forward_hook(note, with_kwargs=True) for layer in layers]
    for layer in layers:
        module = layer.get_submodule(ADDS[model.config.model_type])
        hooks.append(
            module.register_forward_hook(lambda _m, _a, out: added.append(out[0] if isinstance(out, tuple) else out))
        )
    cosines = torch.zeros(2, LAYERS, dtype=torch.float64)
    tokens = 0
    for batch in BATCHES:
        seen.clear()
        with torch.no_grad():
            model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
        counted = batch.attention_mask.bool()
        tokens += int(counted.sum())
        for layer, (x, attention, out) in enumerate(seen):
            states = [state[counted].double() for state in (x, x + attention, out)]
            for part in (0, 1):
                cosines[part, layer] += nn.functional.cosine_similarity(states[part], states[part + 1], dim=-1).sum()
    for hook in hooks:
        hook.remove()
    done: list[int] = []
    found = part_influence(PlannedRuns(loaded(model), BATCHES, Silent()), layers, lambda: done.append(1))
    assert len(done) == LAYERS
    assert found == pytest.approx((1 - cosines / tokens).numpy(), abs=1e-5)
