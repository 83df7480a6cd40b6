"""The planted-redundancy contract: where some layers do nothing, every method that looks finds exactly those."""

import pytest
import torch

from prune_core.cut.parts import silent
from prune_core.data.batches import Batch
from prune_core.measure.similarity.one_pass import measure_all
from prune_core.methods import METHODS, Measured, Method, method_named
from prune_core.methods.llm_drop import LLMDrop
from prune_core.model.stack import find_stack
from prune_core.schema.plan import PARTS, Drop, DropPart, Merge
from prune_core.search.evidence import Search
from tests.fixtures.tiny import tiny_ids
from tests.methods.models import loaded, planted_model

LAYERS = 8
PLANTED = (4, 5)
FAMILIES = ("llama", "gpt2", "qwen3")
MERGING = ("laco", "slm")
LOOKING = [method.name for method in METHODS if method.needs != "nothing" and method.name not in MERGING]


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    return planted_model(request.param, LAYERS, PLANTED)


@pytest.fixture(scope="module")
def batches(model):
    return own_words(model)


@pytest.fixture(scope="module")
def stats(model, batches):
    return measure_all(loaded(model), batches, cka_tokens=16)


@pytest.mark.parametrize("name", LOOKING)
def test_layers_that_do_nothing_go(model, batches, stats, name):
    method = method_named(name)
    evidence = Search(loaded(model), batches) if method.needs == "search" else Measured(LAYERS, stats)
    plan = method.plan(evidence, len(PLANTED))
    assert (plan.edits[0].changed if name == "llm_drop" else plan.removed) == PLANTED
    assert len(plan.edits) == 1


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["blockpruner", "llm_drop"])
def test_parts_that_do_nothing_go(name, part):
    model = planted_model("llama", LAYERS, ())
    for number in PLANTED:
        for weight in silent(find_stack(model).layers[number], part):
            find_stack(model).layers[number].get_parameter(weight).zero_()
    method = LLMDrop(part) if name == "llm_drop" else method_named(name)
    budget = len(PLANTED) if name == "llm_drop" else len(PLANTED) // 2
    plan = method.plan(Search(loaded(model), own_words(model)), budget)
    assert plan.edits == (DropPart(part, PLANTED),)


def test_joint_finds_layers_of_which_both_parts_do_nothing(model, batches):
    plan = LLMDrop("joint").plan(Search(loaded(model), batches), len(PLANTED))
    assert plan.edits == (Drop(PLANTED),)


@pytest.mark.parametrize("rule", ["rdsc", "telescoped"])
@pytest.mark.parametrize("name", MERGING)
@pytest.mark.parametrize("family", FAMILIES)
def test_layers_that_do_nothing_are_merged_into_one_that_does_nothing(family, name, rule):
    """Merging a layer that does nothing into one that works would undo it, so the base is planted as well."""
    model = planted_model(family, LAYERS, (3, *PLANTED))
    method = method_named(name).at_budget()
    settings = {"rule": rule, **({"span": 3} if name == "laco" else {})}
    plan = with_settings(method, settings).plan(Search(loaded(model), own_words(model)), len(PLANTED))
    assert plan.edits == (Merge(3, PLANTED, rule),)


def test_every_method_says_what_it_is():
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    for method in METHODS:
        assert method.label and method.what.endswith(".") and method.source
        assert method.needs == "nothing" or method.score


def own_words(model) -> list[Batch]:
    """Text that the model itself finds likely, so that every layer that does something lowers its loss."""
    ids = tiny_ids(6, 1)
    for _ in range(15):
        logits = model(input_ids=ids, use_cache=False).logits[:, -1]
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], dim=1)
    return [Batch(ids[i : i + 2], torch.ones_like(ids[i : i + 2])) for i in (0, 2, 4)]


def with_settings(method: Method, settings: dict) -> Method:
    return type(method)(**{**vars(method), **settings})
