"""The cost of a cut, a chunk at a time: the plain way's figures in the end, estimates of them on the way."""

from dataclasses import replace

import pytest
import torch

from prune_core.cut.replacements.fit_plan import fit_plan
from prune_core.data.batches import Batch, padded
from prune_core.forward.layer_runs import Recording
from prune_core.schema.errors import Cancelled, UserError
from prune_core.schema.plan import Block, Drop, DropPart, Merge, Plan, Replace, drop_plan
from prune_core.schema.progress import Silent
from prune_core.search import cut_costs
from prune_core.search.cut_costs import CutCosts
from tests.fixtures.by_hooks import preview
from tests.fixtures.tiny import FAMILIES, tiny_ids, tiny_loaded, tiny_model

LAYERS = 6
PLANS = (
    drop_plan(LAYERS, (2, 3)),
    drop_plan(LAYERS, (0,)),
    Plan(LAYERS, (Merge(2, (3, 4)),)),
    Plan(LAYERS, (Drop((1,)), DropPart("attention", (4,)))),
)


def texts(count: int = 12, seed: int = 0) -> list[Batch]:
    """Ragged texts of 3 to 14 tokens, in batches of 5."""
    rows = [tiny_ids(1, 3 + (5 * n + seed) % 12, seed + n)[0] for n in range(count)]
    return [padded(rows[n : n + 5]) for n in range(0, count, 5)]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(cut_costs, "CPU_TOKENS", 40)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_final_figure_is_the_plain_ways(family):
    loaded, batches = tiny_loaded(family, LAYERS), texts()
    costs = CutCosts(loaded, batches)
    for plan in PLANS if family == "llama" else PLANS[:2]:
        plain, found = preview(loaded, batches, plan), costs.preview(plan)
        assert (found.tokens, found.of_tokens, found.is_estimate) == (plain.tokens, plain.tokens, False)
        assert found.loss == pytest.approx(plain.loss, abs=1e-6)
        assert found.donor_loss == pytest.approx(plain.donor_loss, abs=1e-6)
        assert found.delta_stderr == pytest.approx(plain.delta_stderr, abs=1e-6)


def test_fitted_replacements_too():
    loaded, batches = tiny_loaded("llama", LAYERS), texts(16)
    plan = Plan(LAYERS, (Replace(Block(2, 4), "linear"),))
    weights, _ = fit_plan(loaded, batches, plan)
    found = CutCosts(loaded, batches).preview(plan, weights)
    assert found.loss == pytest.approx(preview(loaded, batches, plan, fitted=weights).loss, abs=1e-6)


def test_estimates_are_exact_on_the_texts_that_they_are_of():
    loaded, batches = tiny_loaded("llama", LAYERS), texts()
    costs, seen = CutCosts(loaded, batches), []
    final = costs.preview(PLANS[0], watch=seen.append)
    assert seen[-1] == final and len(seen) == len(costs._places) > 2
    assert len(costs._places[0]) >= cut_costs.FIRST_SEQUENCES
    assert all(each.is_estimate for each in seen[:-1])
    rows = [row for batch in batches for row in batch.input_ids]
    masks = [row for batch in batches for row in batch.attention_mask]
    for done, each in enumerate(seen, start=1):
        places = [place for group in costs._places[:done] for place in group]
        alone = preview(loaded, [padded([rows[p][masks[p].bool()] for p in places])], PLANS[0])
        assert each.loss == pytest.approx(alone.loss, abs=1e-6)
        assert each.delta_stderr == pytest.approx(alone.delta_stderr, abs=1e-6)


def test_layers_below_a_cut_run_once(monkeypatch):
    loaded = tiny_loaded("llama", LAYERS)
    costs, ran = CutCosts(loaded, texts()), []
    costs.preview(PLANS[0])
    run = Recording.run

    def counting(self, states, layers):
        numbers = list(layers)
        ran.extend(numbers)
        return run(self, states, numbers)

    monkeypatch.setattr(Recording, "run", counting)
    monkeypatch.setattr("prune_core.search.planned_runs.record", None)  # the donor is known
    costs.preview(drop_plan(LAYERS, (3, 4)))
    assert set(ran) == {5} and len(ran) == len(costs._places)


def test_the_bar_counts_what_is_run():
    class Told(Silent):
        done = total = 0

        def stage(self, name, total, unit="steps"):
            self.done, self.total, self.unit = 0, total, unit

        def advance(self, done=1):
            self.done += done

    told, costs = Told(), CutCosts(tiny_loaded("llama", LAYERS), texts())
    totals = []
    for plan in (PLANS[0], PLANS[0], drop_plan(LAYERS, (5,))):
        costs.preview(plan, progress=told)
        assert told.done == told.total > 0 and told.unit == "layer runs"
        totals.append(told.total)
    assert totals[0] > totals[1] > totals[2]  # the donor's pass, then the layers above a low cut, then above a high one


def test_a_question_can_be_dropped_between_two_layers_and_leaves_the_model_as_it_was():
    class Impatient(Silent):
        ticks = 0

        def advance(self, done=1):
            self.ticks += 1
            if self.ticks == 9:
                raise Cancelled

    loaded, batches = tiny_loaded("llama", LAYERS), texts()
    costs, before = CutCosts(loaded, batches), [p.clone() for p in loaded.model.parameters()]
    with pytest.raises(Cancelled):
        costs.preview(PLANS[2], progress=Impatient())
    assert all(torch.equal(a, b) for a, b in zip(before, loaded.model.parameters(), strict=True))
    assert costs.preview(PLANS[2]).loss == pytest.approx(preview(loaded, batches, PLANS[2]).loss, abs=1e-6)


def test_one_text_is_refused():
    with pytest.raises(UserError, match="use at least 2"):
        CutCosts(tiny_loaded("llama", LAYERS), [padded([tiny_ids(1, 9)[0]])]).preview(PLANS[0])


def test_a_loss_that_is_no_number_is_refused():
    loaded = tiny_loaded("llama", LAYERS)
    model = tiny_model("llama", LAYERS)
    model.model.layers[5].mlp.down_proj.weight.mul_(float("inf"))
    broken = replace(loaded, model=model, stack=replace(loaded.stack, layers=model.model.layers))
    with pytest.raises(UserError, match="not a finite number in float32"):
        CutCosts(broken, texts()).preview(PLANS[0])
