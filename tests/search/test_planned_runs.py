"""Measured evidence: what it measures is right, measured once, and started from cached states."""

import pytest
import torch
from torch import nn

from prune_core.cut.preview import planned
from prune_core.forward.layer_runs import Recording
from prune_core.methods import method_named
from prune_core.model.stack import find_stack
from prune_core.schema.errors import Cancelled
from prune_core.schema.plan import Drop, DropPart, Merge, Plan, drop_plan
from prune_core.search import planned_runs
from prune_core.search.evidence import Search
from tests.fixtures.by_hooks import preview
from tests.methods.models import loaded, ragged_batches

LAYERS = 6
BATCHES = ragged_batches((20, 13, 7, 17, 20), batch=2)
PLANS = (
    Plan(LAYERS),
    drop_plan(LAYERS, [2]),
    drop_plan(LAYERS, [0, 5]),
    drop_plan(LAYERS, [1, 2, 3, 4, 5]),
    Plan(LAYERS, (Merge(2, (3, 4)),)),
    Plan(LAYERS, (Drop((0,)), Merge(1, (2,), "telescoped"), Merge(3, (4, 5), "rdsc", (-1, 2)))),
    Plan(LAYERS, (DropPart("attention", (1, 4)), DropPart("mlp", (2,)), Drop((3,)))),
)


@pytest.mark.parametrize("memory", [planned_runs.SHARE_OF_MEMORY, 1e-12])
def test_measurements_are_those_of_the_planned_model(model, memory, monkeypatch):
    """With all states kept, and with none but the first and last."""
    monkeypatch.setattr(planned_runs, "SHARE_OF_MEMORY", memory)
    search = Search(loaded(model), BATCHES)
    for settled in (None, PLANS[1], PLANS[5]):
        if settled is not None:
            search.settle(settled)
        for plan in PLANS:
            expected = Expected(model, plan)
            assert search.loss(plan) == pytest.approx(expected.loss, abs=1e-5)
            assert search.similarity(plan) == pytest.approx(expected.similarity, abs=1e-5)
            assert search.kl(plan) == pytest.approx(expected.kl, abs=1e-5)
        search = Search(loaded(model), BATCHES)
    assert not any("forward" in vars(layer) for layer in find_stack(model).layers)


def test_a_loss_is_the_preview_s(model):
    plan = PLANS[2]
    expected = preview(loaded(model), BATCHES, plan)
    search = Search(loaded(model), BATCHES)
    assert search.loss(plan) == pytest.approx(expected.loss, abs=1e-6)
    assert search.loss(Plan(LAYERS)) == pytest.approx(expected.donor_loss, abs=1e-6)


def test_the_divergence_of_some_tokens_only(model):
    search = Search(loaded(model), BATCHES)
    lengths = [int(batch.attention_mask.sum()) for batch in BATCHES]
    first = Search(loaded(model), BATCHES[:1])
    assert search.kl(PLANS[1], 1) == pytest.approx(first.kl(PLANS[1]), abs=1e-6)
    assert search.kl(PLANS[1], lengths[0]) == search.kl(PLANS[1], 1)
    assert search.measured == 1
    assert search.kl(PLANS[1], 10**6) == pytest.approx(search.kl(PLANS[1]), abs=1e-12)


def test_nothing_is_measured_twice_even_by_another_search(model):
    known = {}
    laco = method_named("laco")
    first = Search(loaded(model), BATCHES, known=known)
    plan = laco.plan(first)
    assert first.measured == len(first.steps) and first.reused == 0
    again = Search(loaded(model), BATCHES, known=known)
    assert laco.plan(again) == plan
    assert again.measured == 0 and again.reused == first.measured
    assert again.steps == first.steps
    one_edit, two = drop_plan(LAYERS, [1, 4]), Plan(LAYERS, (Drop((4,)), Drop((1,))))
    assert again.loss(one_edit) == again.loss(two) and again.measured == 1
    one_edit, two = (
        Plan(LAYERS, edits) for edits in ((DropPart("mlp", (1, 4)),), (DropPart("mlp", (4,)), DropPart("mlp", (1,))))
    )
    assert again.loss(one_edit) == again.loss(two) and again.measured == 2
    again.part_influence(), Search(loaded(model), BATCHES, known=known).part_influence()
    assert again.measured == 3


def test_only_layers_above_the_change_run(model, monkeypatch):
    ran: list[int] = []
    call = Recording._call
    monkeypatch.setattr(
        Recording, "_call", lambda self, number, states: ran.append(number) or call(self, number, states)
    )
    search = Search(loaded(model), BATCHES[:1])
    search.loss(drop_plan(LAYERS, [3]))
    assert ran == [4, 5]
    ran.clear()
    search.settle(drop_plan(LAYERS, [3]))
    assert ran == [4, 5]
    ran.clear()
    search.loss(drop_plan(LAYERS, [3, 4]))
    search.loss(drop_plan(LAYERS, [1, 3]))
    assert ran == [5, 2, 4, 5]


def test_a_search_can_be_cancelled_and_the_model_is_whole(model):
    class Impatient:
        def __init__(self) -> None:
            self.plans = 0

        def stage(self, name: str, total: int, unit: str = "steps") -> None:
            assert unit == "plans"

        def advance(self, done: int = 1) -> None:
            self.plans += done
            if self.plans == 2 and done == 0:  # in the middle of the third plan
                raise Cancelled

    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    with pytest.raises(Cancelled):
        method_named("slm").plan(Search(loaded(model), BATCHES, Impatient()))
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())


class Expected:
    """A plan's measurements on the model with hooks, a sequence at a time, without padding."""

    def __init__(self, model, plan) -> None:
        losses, tokens, cosines, divergences, seen = 0.0, 0, [], 0.0, 0
        for batch in BATCHES:
            for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True):
                one = ids[None, : int(mask.sum())]
                with torch.no_grad():
                    donor = model(one, output_hidden_states=True, use_cache=False)
                    with planned(model, plan):
                        ours = model(one, output_hidden_states=True, use_cache=False)
                losses += nn.functional.cross_entropy(ours.logits[0, :-1], one[0, 1:], reduction="sum").item()
                tokens += one.shape[1] - 1
                pair = (donor.hidden_states[-1].flatten(), ours.hidden_states[-1].flatten())
                cosines.append(nn.functional.cosine_similarity(*pair, dim=0).item())
                p, q = donor.logits[0].log_softmax(-1), ours.logits[0].log_softmax(-1)
                divergences += nn.functional.kl_div(q, p, log_target=True, reduction="sum").item()
                seen += one.shape[1]
        self.loss, self.similarity, self.kl = losses / tokens, sum(cosines) / len(cosines), divergences / seen
