"""The hidden-state pass: the right states, without padding, and no trace of it afterwards."""

import pytest
import torch
from torch import Tensor

from prune_core.data.batches import Batch, passes
from prune_core.forward import capture
from prune_core.forward.capture import run
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.progress import Silent
from tests.fixtures.tiny import CONTEXT, FAMILIES, VOCAB, tiny_ids, tiny_loaded

LAYERS = 3
LENGTHS = torch.tensor([9, 20, 4, 20, 13])


def padded(lengths: Tensor = LENGTHS) -> Batch:
    longest = int(lengths.max())
    return Batch(tiny_ids(len(lengths), longest), (torch.arange(longest) < lengths[:, None]).long())


class Kept:
    """Keeps a copy of what it is given."""

    def __init__(self) -> None:
        self.states: list[Tensor] = []
        self.lengths: list[Tensor] = []

    def update(self, states: Tensor, lengths: Tensor) -> None:
        self.states.append(states.clone())
        self.lengths.append(lengths.clone())


@pytest.mark.parametrize("pass_tokens", [1, 45, 1024])
@pytest.mark.parametrize("family", FAMILIES)
def test_states_are_those_of_each_sequence_alone(
    family: str, pass_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "CPU_PASS_TOKENS", pass_tokens)
    loaded, kept, batch = tiny_loaded(family, LAYERS), Kept(), padded()
    run(loaded, [batch], [kept])
    assert kept.lengths[0].equal(LENGTHS)
    begin = 0
    for row, length in enumerate(LENGTHS.tolist()):
        with torch.no_grad():
            out = loaded.model(batch.input_ids[row : row + 1, :length], output_hidden_states=True)
        found = kept.states[0][:, begin : begin + length]
        for state, expected in enumerate(out.hidden_states[:-1]):
            torch.testing.assert_close(found[state], expected[0], atol=2e-5, rtol=1e-5)
        assert loaded.stack.norm is not None
        torch.testing.assert_close(loaded.stack.norm(found[-1]), out.hidden_states[-1][0], atol=2e-5, rtol=1e-5)
        begin += length
    assert begin == kept.states[0].shape[1]


def test_no_logits_are_made_and_no_hooks_stay() -> None:
    loaded = tiny_loaded("llama", LAYERS)
    loaded.stack.head.register_forward_hook(lambda *_: pytest.fail("the head ran"))
    run(loaded, [padded(), padded(LENGTHS[:2])], [])
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in loaded.stack.layers)


def test_each_token_goes_through_each_layer_once() -> None:
    loaded, seen = tiny_loaded("llama", LAYERS), []
    loaded.stack.layers[1].register_forward_hook(lambda _, args, __: seen.append(args[0].shape[:2].numel()))
    run(loaded, [padded()], [])
    assert sum(seen) == LENGTHS.numel() * int(LENGTHS.max())
    seen.clear()
    alone = Batch(padded().input_ids[:, :9], padded().attention_mask[:, :9])
    run(loaded, [alone], [Kept(), Kept()])
    assert len(seen) == 1


def test_passes_hold_every_row_once_and_keep_within_their_size() -> None:
    batch = padded(torch.tensor([3, 50, 7, 50, 6, 50, 8, 2]))
    parts = list(passes(batch, 100))
    assert [rows.tolist() for rows, _ in parts] == [[1, 3], [5, 6], [2, 4, 0, 7]]
    for rows, part in parts:
        assert part.attention_mask.sum(1).equal(batch.attention_mask.sum(1)[rows])
        assert part.input_ids.numel() <= 100
        assert part.input_ids.equal(batch.input_ids[rows, : part.input_ids.shape[1]])


def test_cancelling_removes_the_hooks() -> None:
    class Stop(Silent):
        def advance(self, done: int = 1) -> None:
            raise Cancelled

    loaded = tiny_loaded("gpt2", LAYERS)
    with pytest.raises(Cancelled):
        run(loaded, [padded()], [], Stop())
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in loaded.stack.layers)


def test_progress_counts_tokens() -> None:
    class Count(Silent):
        total, done = 0, 0

        def stage(self, name: str, total: int, unit: str = "steps") -> None:
            self.total = total

        def advance(self, done: int = 1) -> None:
            self.done += done

    count = Count()
    run(tiny_loaded("llama", LAYERS), [padded(), padded(LENGTHS[:2])], [], count)
    assert count.total == count.done == sum(LENGTHS) + sum(LENGTHS[:2])


def test_texts_that_the_model_cannot_take_are_refused() -> None:
    loaded = tiny_loaded("gpt2", LAYERS)
    too_long = Batch(tiny_ids(1, CONTEXT + 1), torch.ones(1, CONTEXT + 1, dtype=torch.int64))
    with pytest.raises(UserError, match=f"{CONTEXT + 1} tokens is longer than the model's context of {CONTEXT}"):
        run(loaded, [too_long], [])
    foreign = Batch(torch.full((1, 4), VOCAB), torch.ones(1, 4, dtype=torch.int64))
    with pytest.raises(UserError, match=f"token {VOCAB} but the model knows {VOCAB}"):
        run(loaded, [foreign], [])


def test_layers_that_pass_on_another_shape_are_refused() -> None:
    loaded = tiny_loaded("llama", LAYERS)
    loaded.stack.layers[1].register_forward_hook(lambda _, __, out: out[None].expand(2, -1, -1, -1)[0])
    loaded.stack.layers[2].register_forward_hook(lambda _, __, out: out[None])
    with pytest.raises(UserError, match="its layers pass on"):
        run(loaded, [padded()], [])
