"""Preview: what it computes, what it leaves behind (nothing), and its loss against a literal formula."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from prune_core.cut.preview import planned
from prune_core.data.batches import Batch
from prune_core.model.load import LoadedModel
from prune_core.model.stack import find_stack
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.inputs import ModelInfo, ModelRef
from prune_core.schema.plan import Merge, Plan, drop_plan
from prune_core.schema.progress import Silent
from tests.fixtures.by_hooks import preview, sequence_losses
from tests.fixtures.checkpoints import digest
from tests.fixtures.tiny import FAMILIES, VOCAB, tiny_ids, tiny_model, tiny_tokenizer


def ragged_batches(lengths: tuple[int, ...], size: int) -> list[Batch]:
    """Sequences of these lengths, `size` a batch, padded on the right with token 7."""
    batches = []
    for start in range(0, len(lengths), size):
        part = lengths[start : start + size]
        ids, mask = torch.full((len(part), max(part)), 7), torch.zeros(len(part), max(part), dtype=torch.int64)
        for row, length in enumerate(part):
            ids[row, :length], mask[row, :length] = tiny_ids(1, length, seed=start + row), 1
        batches.append(Batch(ids, mask))
    return batches


def as_loaded(model: torch.nn.Module) -> LoadedModel:
    """`model` as `load` would hold it."""
    layers = len(find_stack(model).layers)
    info = ModelInfo(ModelRef(), "llama", layers, 32, VOCAB, 256, 1, 4, "float32", "float32", "cpu", 1)
    return LoadedModel(ModelRef(), model, tiny_tokenizer(), find_stack(model), info, Path())


@pytest.mark.parametrize("family", FAMILIES)
def test_dropped_layers_put_out_their_input_and_are_not_computed(family):
    model = tiny_model(family, 5)
    layers, computed, seen = find_stack(model).layers, [], {}
    for number, layer in enumerate(layers):
        next(layer.children()).register_forward_hook(lambda *_, n=number: computed.append(n))
    with planned(model, drop_plan(5, (1, 2))):
        computed.clear()  # asking what the layers put out ran them once
        for number in (0, 2):
            layers[number].register_forward_hook(lambda _m, _a, out, n=number: seen.update({n: out}))
        with torch.no_grad():
            model(tiny_ids(2, 20), use_cache=False)
    assert set(computed) == {0, 3, 4}
    after_0, after_2 = (out[0] if isinstance(out, tuple) else out for out in (seen[0], seen[2]))
    assert torch.equal(after_0, after_2)
    assert type(seen[0]) is type(seen[2])


def test_nothing_is_left_behind_even_after_an_exception():
    model = tiny_model("llama", 5)
    layers = find_stack(model).layers
    mine = layers[1].forward
    layers[1].forward = mine  # as a library that places layers on devices does
    before, places = digest(model), [parameter.data_ptr() for parameter in model.parameters()]
    plan = Plan(5, (*drop_plan(5, (1, 4)).edits, Merge(2, (3,))))

    def fail() -> None:
        assert digest(model) != before
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), planned(model, plan):
        fail()
    assert digest(model) == before
    assert [parameter.data_ptr() for parameter in model.parameters()] == places
    assert layers[1].forward is mine
    assert "forward" not in vars(layers[4])


def test_merge_takes_one_layers_memory():
    model = tiny_model("llama", 5)
    theirs = {parameter.data_ptr() for parameter in model.parameters()}
    with planned(model, Plan(5, (Merge(1, (2, 3)),))):
        new = {name for name, p in model.named_parameters() if p.data_ptr() not in theirs}
    assert new
    assert all(name.startswith("model.layers.1.") for name in new)


def test_preview_tells_loss_and_paired_standard_error():
    model, batches = tiny_model("qwen2", 5), ragged_batches((20, 9, 14, 6, 17, 11), 3)
    plan = drop_plan(5, (2,))
    seen = preview(as_loaded(model), batches, plan)
    donor = sequence_losses(model, batches)
    with planned(model, plan):
        cut = sequence_losses(model, batches)
    tokens = cut.tokens.sum()
    assert seen.tokens == tokens == sum((19, 8, 13, 5, 16, 10))
    assert seen.donor_loss == donor.nll.sum() / tokens
    assert seen.loss == cut.nll.sum() / tokens
    ratios = []  # the jackknife, another way to the standard error of a ratio
    difference = cut.nll - donor.nll
    for left_out in range(6):
        kept = [s for s in range(6) if s != left_out]
        ratios.append(difference[kept].sum() / cut.tokens[kept].sum())
    jackknife = np.sqrt(5 / 6 * np.sum((np.array(ratios) - np.mean(ratios)) ** 2))
    assert seen.delta_stderr == pytest.approx(jackknife, rel=0.25)
    assert preview(as_loaded(model), batches, plan, donor).loss == seen.loss
    nothing = preview(as_loaded(model), batches, Plan(5), donor)
    assert (nothing.loss, nothing.delta_stderr) == (nothing.donor_loss, 0.0)


def test_equal_lengths_give_the_textbook_standard_error():
    model, batches = tiny_model("llama", 4), [Batch(tiny_ids(7, 12), torch.ones(7, 12, dtype=torch.int64))]
    plan = drop_plan(4, (1,))
    donor = sequence_losses(model, batches)
    with planned(model, plan):
        difference = (sequence_losses(model, batches).nll - donor.nll) / 11
    expected = difference.std(ddof=1) / np.sqrt(7)
    assert preview(as_loaded(model), batches, plan, donor).delta_stderr == pytest.approx(expected, rel=1e-9)


def test_cancelling_leaves_the_donor_as_it_was():
    class Impatient(Silent):
        def advance(self, done: int = 1) -> None:
            raise Cancelled

    model, batches = tiny_model("llama", 4), ragged_batches((9, 9), 1)
    before, donor = digest(model), sequence_losses(model, batches)
    with pytest.raises(Cancelled):
        preview(as_loaded(model), batches, drop_plan(4, (1,)), donor, Impatient())
    assert digest(model) == before


def test_losses_that_are_no_numbers_and_single_texts_are_refused():
    model, batches = tiny_model("llama", 4), ragged_batches((9, 9), 1)
    with pytest.raises(UserError, match="use at least 2"):
        preview(as_loaded(model), batches[:1], drop_plan(4, (1,)))
    find_stack(model).layers[0].mlp.up_proj.weight.data.fill_(torch.inf)
    with pytest.raises(UserError, match="is not finite"):
        sequence_losses(model, batches)


def test_a_big_cut_is_faster_than_the_whole_model():
    model, batches = tiny_model("llama", 24), [Batch(tiny_ids(16, 128), torch.ones(16, 128, dtype=torch.int64))]

    def seconds(plan: Plan) -> float:
        with planned(model, plan):
            started = time.process_time()  # not the clock on the wall: other work must not count
            sequence_losses(model, batches)
        return time.process_time() - started

    cut, whole = drop_plan(24, range(2, 22)), Plan(24)
    assert min(seconds(cut) for _ in range(3)) < 0.6 * min(seconds(whole) for _ in range(3))
