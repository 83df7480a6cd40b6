"""Every method against a literal, slow transcription of what was published: equal decisions, weights and scores."""

import pytest
import torch

from prune_core.cut.build import build
from prune_core.measure.similarity.one_pass import measure_all
from prune_core.methods.base import Measured
from prune_core.methods.blockpruner import BlockPruner
from prune_core.methods.blocks import BlockDistance, DeepestLayers, Streamline
from prune_core.methods.laco import LaCo
from prune_core.methods.llm_drop import LLMDrop
from prune_core.methods.shortgpt import ShortGPT
from prune_core.methods.sleb import SLEB
from prune_core.methods.slm import SlidingLayerMerging
from prune_core.search.evidence import Search
from tests.methods import literal
from tests.methods.models import alike_model, loaded, parts_gone, ragged_batches, sentences

LAYERS = 9
BATCHES = ragged_batches((20, 13, 7, 16), batch=3)


@pytest.fixture(scope="module")
def model():
    return alike_model("llama", LAYERS, difference=0.2)


@pytest.fixture(scope="module")
def stats(model):
    return measure_all(loaded(model), BATCHES, cka_tokens=16)


def same_weights(plan, model, expected) -> None:
    """The checkpoint that `plan` builds has the weights of the literally merged model."""
    built = build(model, plan)
    ours, theirs = dict(built.model.layers.named_parameters()), dict(expected.model.layers.named_parameters())
    assert ours.keys() == theirs.keys()
    for name, parameter in ours.items():
        torch.testing.assert_close(parameter, theirs[name], rtol=1e-5, atol=1e-6)


def check_steps(steps, seen) -> None:
    assert [step.accepted for step in steps] == [accepted for _, accepted in seen]
    assert [step.score for step in steps] == pytest.approx([similarity for similarity, _ in seen], abs=1e-5)


@pytest.mark.parametrize("rule", ["rdsc", "telescoped"])
@pytest.mark.parametrize(
    ("span", "lowest", "highest", "interval", "threshold"),
    [(4, 1, None, 2, 0.6), (3, 0, 7, 1, 0.7), (3, 2, None, 3, 0.9)],
)
def test_laco(model, rule, span, lowest, highest, interval, threshold):
    search = Search(loaded(model), BATCHES)
    plan = LaCo(span, lowest, highest, interval, threshold, rule).plan(search)
    expected, seen = literal.laco(model, sentences(BATCHES), span, lowest, highest or LAYERS, interval, threshold, rule)
    assert {accepted for _, accepted in seen} == {True, False}, "the threshold should decide both ways"
    check_steps(search.steps, seen)
    assert len(plan.kept) == len(expected.model.layers)
    same_weights(plan, model, expected)


@pytest.mark.parametrize("rule", ["rdsc", "telescoped"])
@pytest.mark.parametrize("threshold", [0.8, 0.6, -1.0])
def test_sliding_layer_merging(model, rule, threshold):
    search = Search(loaded(model), BATCHES)
    plan = SlidingLayerMerging(threshold, rule).plan(search)
    expected, seen = literal.slm(model, sentences(BATCHES), threshold, rule)
    check_steps(search.steps, seen)
    assert threshold > 0.5 or 0 in {edit.into for edit in plan.edits}, "the lowest threshold should reach layer 0"
    same_weights(plan, model, expected)


def test_sleb(model):
    search = Search(loaded(model), BATCHES)
    plan = SLEB().plan(search, 3)
    removed, seen = literal.sleb(model, sentences(BATCHES), 3)
    tokens = sum(ids.shape[1] - 1 for ids in sentences(BATCHES))
    assert plan.removed == tuple(sorted(removed))
    assert [step.plan.removed for step in search.steps if step.accepted][-1] == plan.removed
    assert [step.score for step in search.steps] == pytest.approx([nll / tokens for nll in seen], abs=1e-5)


def test_blockpruner(model):
    search = Search(loaded(model), BATCHES)
    plan = BlockPruner().plan(search, 3)
    removed, seen = literal.blockpruner(model, sentences(BATCHES), 6)
    tokens = sum(ids.shape[1] - 1 for ids in sentences(BATCHES))
    assert parts_gone(plan) == set(removed)
    assert [step.score for step in search.steps] == pytest.approx([nll / tokens for nll in seen], abs=1e-5)
    for rounds, step in enumerate((step for step in search.steps if step.accepted), start=1):
        assert parts_gone(step.plan) == set(removed[:rounds])


@pytest.mark.parametrize("part", ["attention", "mlp", "joint"])
def test_llm_drop(model, part):
    importance = literal.part_importance(model, sentences(BATCHES))
    importance = {key: value for key, value in importance.items() if part in (key[0], "joint")}
    order = sorted(importance, key=lambda key: importance[key])
    for budget in range(1, LAYERS):
        search = Search(loaded(model), BATCHES)
        plan = LLMDrop(part).plan(search, budget)
        assert parts_gone(plan) == set(order[: budget * (2 if part == "joint" else 1)])
        assert [step.score for step in search.steps] == pytest.approx(sorted(importance.values()), abs=1e-5)


@pytest.mark.parametrize("size", range(1, LAYERS))
def test_block_distance_and_streamline(model, stats, size):
    distances = literal.block_distances(model, sentences(BATCHES), size)
    evidence = Measured(LAYERS, stats)
    start = distances.index(min(distances))
    assert BlockDistance().plan(evidence, size).removed == tuple(range(start, start + size))
    assert [step.score for step in evidence.steps] == pytest.approx(distances, abs=1e-5)

    cosines = literal.block_cosines(model, sentences(BATCHES), size)
    evidence = Measured(LAYERS, stats)
    start = cosines.index(max(cosines))
    assert Streamline().plan(evidence, size).removed == tuple(range(start, start + size))
    assert [step.score for step in evidence.steps] == pytest.approx(cosines, abs=1e-5)


def test_block_influence(model, stats):
    influence = [1 - cosine for cosine in literal.block_cosines(model, sentences(BATCHES), 1)]
    order = sorted(range(LAYERS), key=lambda layer: influence[layer])
    for budget in range(1, LAYERS):
        evidence = Measured(LAYERS, stats)
        assert ShortGPT().plan(evidence, budget).removed == tuple(sorted(order[:budget]))
        assert [step.score for step in evidence.steps] == pytest.approx(sorted(influence), abs=1e-5)


def test_the_simple_variant_keeps_the_last_layer():
    for budget in range(1, LAYERS):
        removed = DeepestLayers().plan(Measured(LAYERS), budget).removed
        assert removed == tuple(range(LAYERS - budget - 1, LAYERS - 1))
