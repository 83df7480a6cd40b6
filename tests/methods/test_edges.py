"""Budgets, thresholds and models at their ends: each works, or is refused in one sentence."""

import pytest

from prune_core.cut.build import build
from prune_core.measure.similarity.one_pass import measure_all
from prune_core.methods import METHODS, Measured, method_named
from prune_core.methods.baselines import EvenlySpaced, RandomLayers
from prune_core.methods.laco import LaCo
from prune_core.methods.sleb import SLEB
from prune_core.methods.slm import SlidingLayerMerging
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Plan
from prune_core.search.evidence import Search
from tests.methods.models import alike_model, loaded, parts_gone, ragged_batches

LAYERS = 6
BATCHES = ragged_batches((14, 9, 12), batch=2)
PARTS_A_LAYER = {"llm_drop": 1}
"""Of attention and MLP, how many a method drops for each layer of the budget, where it is not both."""
A_SENTENCE = r"^[A-Z][^\n]*\.$"


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request):
    return alike_model(request.param, LAYERS)


@pytest.fixture(scope="module")
def stats(model):
    return measure_all(loaded(model), BATCHES, cka_tokens=16)


def evidence_for(method, model, stats):
    return Search(loaded(model), BATCHES) if method.needs == "search" else Measured(LAYERS, stats)


@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_every_budget_is_met_or_refused(model, stats, name):
    method = method_named(name).at_budget()
    evidence = evidence_for(method, model, stats)
    assert method.plan(evidence, 0) == Plan(LAYERS, (), name)
    most = {"laco": 3, "slm": 4, "sleb": 4, "even": 4, "shortened_taylor": 0}.get(
        name, LAYERS - 1
    )  # some are protected
    for budget in range(1, most + 1):
        plan = method.plan(evidence, budget)
        assert len(parts_gone(plan)) == budget * PARTS_A_LAYER.get(name, 2) and plan.method == name
        build(model, plan)
    for budget in range(most + 1, LAYERS):
        with pytest.raises(UserError, match=rf"^[A-Z].*not {budget}: .*\.$"):
            method.plan(evidence, budget)
    for budget in (-1, LAYERS):
        with pytest.raises(UserError, match=A_SENTENCE):
            method.plan(evidence, budget)


@pytest.mark.parametrize("name", [method.name for method in METHODS if not method.budget_optional])
def test_without_a_budget_most_methods_ask_for_one(name):
    with pytest.raises(UserError, match="give a budget"):
        method_named(name).plan(Measured(LAYERS))


@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_a_model_of_one_layer_keeps_it(name):
    search = Search(loaded(alike_model("llama", 1)), BATCHES)
    method = method_named(name)
    assert method.plan(search, 0).edits == ()
    with pytest.raises(UserError, match=A_SENTENCE):
        method.plan(search, 1)
    with pytest.raises(UserError, match=A_SENTENCE):
        method.plan(search, None)


@pytest.mark.parametrize("threshold", [-1.0, 1.0])
def test_thresholds_that_are_always_or_never_reached(model, threshold):
    everything = threshold < 0
    search = Search(loaded(model), BATCHES)
    laco = LaCo(span=3, lowest=0, interval=1, threshold=threshold).plan(search)
    assert laco.kept == ((0,) if everything else tuple(range(LAYERS)))
    slm = SlidingLayerMerging(threshold).plan(search)
    assert all(step.note.endswith("any similarity" if everything else "threshold 1.0000") for step in search.steps)
    assert slm.kept == ((0, LAYERS - 1) if everything else tuple(range(LAYERS)))
    build(model, laco), build(model, slm)


@pytest.mark.parametrize(
    "method",
    [
        LaCo(span=7),  # more layers than there are
        LaCo(span=6),  # its base would be layer 0, below the lowest
        LaCo(highest=9),
        LaCo(span=4, lowest=4),
        LaCo(threshold=None),
        SlidingLayerMerging(threshold=None),
        SlidingLayerMerging(protect_last=5),
    ],
)
def test_settings_that_leave_nothing_to_do_are_refused(model, method):
    with pytest.raises(UserError, match=A_SENTENCE):
        method.plan(Search(loaded(model), BATCHES))


def test_a_budget_ends_a_search_that_has_a_threshold(model):
    search = Search(loaded(model), BATCHES)
    assert len(LaCo(span=3, lowest=0, threshold=-1.0).plan(search, 3).removed) == 3
    assert len(SlidingLayerMerging(-1.0).plan(search, 3).removed) == 3
    assert LaCo(span=3, threshold=1.0).plan(search, 3).removed == ()  # a threshold that was asked for is kept to


@pytest.mark.parametrize("method", [LaCo(span=3, lowest=0, threshold=None), SlidingLayerMerging(None)])
def test_the_threshold_found_is_the_highest(model, method):
    """A threshold a little above the worst accepted score no longer meets the budget."""
    search = Search(loaded(model), BATCHES)
    found = method.plan(search, 2)
    worst = min(step.score for step in search.steps if step.accepted)
    assert len(found.removed) == 2
    again = type(method)(**{**vars(method), "threshold": worst - 1e-6})
    assert again.plan(Search(loaded(model), BATCHES), 2).edits == found.edits
    above = type(method)(**{**vars(method), "threshold": min(1.0, worst + 2e-4)})
    assert len(above.plan(Search(loaded(model), BATCHES), 2).removed) < 2


@pytest.mark.parametrize("ends", [(0, 0), (1, 1), (2, 0)])
def test_protected_layers_stay(model, ends):
    first, last = ends
    protected = {*range(first), *range(LAYERS - last, LAYERS)}
    room = LAYERS - first - last
    search = Search(loaded(model), BATCHES)
    for method in (SLEB(first, last), RandomLayers(first, last), EvenlySpaced(first, last)):
        budget = min(room, LAYERS - 1)
        assert not protected & set(method.plan(search, budget).removed)
        if room < LAYERS - 1:
            with pytest.raises(UserError, match="protect fewer layers"):
                method.plan(search, room + 1)


def test_even_spacing_is_even():
    assert EvenlySpaced().plan(Measured(18), 4).removed == (3, 7, 11, 15)
    assert EvenlySpaced(0, 0).plan(Measured(4), 2).removed == (1, 3)
