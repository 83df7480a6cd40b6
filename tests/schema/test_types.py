"""Plans refuse what cannot be built; every noun survives JSON exactly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prune_core.pipeline.specs import AnySpec
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, HeldOut, ModelRef
from prune_core.schema.plan import Block, Drop, DropPart, Merge, Plan, Replace, drop_plan
from prune_core.schema.reports import Metric
from prune_core.schema.run import RunSpec
from prune_core.schema.wording import describe, layers_from_words, layers_without, ranges


@pytest.mark.parametrize(
    "edits",
    [
        (Drop((4,)),),
        (Drop(()),),
        (Drop((1, 1)),),
        (Drop((0, 1, 2, 3)),),
        (Drop((1,)), Drop((1, 2))),
        (Merge(1, (1, 2)),),
        (Merge(1, (2,)), Drop((1,))),
        (Replace(Block(1, 5), "linear"),),
    ],
)
def test_impossible_plans_are_refused_in_a_sentence(edits):
    with pytest.raises(UserError, match=r"^[A-Z].*\.$"):
        Plan(4, edits)


def test_removed_and_kept():
    plan = Plan(8, (Drop((1, 5)), Merge(2, (3, 4))))
    assert plan.removed == (1, 3, 4, 5)
    assert plan.kept == (0, 2, 6, 7)


def test_blocks_are_half_open():
    assert Block(9, 13).layers == (9, 10, 11, 12)
    with pytest.raises(UserError):
        Block(3, 3)


layers = st.sets(st.integers(0, 15), max_size=15)
edits = st.one_of(
    st.builds(Drop, st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(tuple)),
    st.builds(Merge, st.integers(10, 12), st.just((13, 14)), st.sampled_from(["rdsc", "telescoped"])),
    st.builds(Replace, st.just(Block(3, 6)), st.text(min_size=1, max_size=9)),
    st.builds(DropPart, st.sampled_from(["attention", "mlp"]), st.just((2, 5))),
)
specs = st.builds(
    RunSpec,
    st.builds(ModelRef, st.text(), st.none() | st.text(), st.sampled_from(["auto", "float32"])),
    st.builds(Calibration, samples=st.integers(1, 9), seed=st.integers(0, 2**40)),
    edits.map(lambda edit: Plan(16, (edit,), "some method")),
    st.builds(Evaluation, st.builds(HeldOut, joined=st.booleans()), st.lists(st.text(), max_size=3).map(tuple)),
    st.text(),
)


@given(specs)
def test_recipes_round_trip_exactly(spec):
    assert serial.from_json(AnySpec, json.loads(serial.dumps(spec))) == spec


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_figures_round_trip_to_the_last_bit(value):
    metric = Metric("acc", "arc", value, "fraction", True)
    assert serial.from_json(Metric, json.loads(serial.dumps(metric))).value == value


@pytest.mark.parametrize(
    "data",
    [
        {"type": "Metric"},
        {"type": "Calibration", "samples": "many"},
        {"type": "Calibration", "colour": "red"},
        {"type": "ModelRef", "dtype": "int3"},
        [],
        None,
    ],
)
def test_broken_json_is_refused_in_a_sentence(data):
    cls = Metric if isinstance(data, dict) and data["type"] == "Metric" else Calibration
    cls = ModelRef if isinstance(data, dict) and data["type"] == "ModelRef" else cls
    with pytest.raises(UserError, match=r"check the file|update LayerScope"):
        serial.from_json(cls, data)


@given(layers)
def test_layers_in_words_read_back(chosen):
    assert layers_from_words(ranges(tuple(chosen))) == tuple(sorted(chosen))


def test_plans_in_words():
    assert describe(drop_plan(16, (9, 10, 11, 12))) == "drop layers 9 to 12 (4 of 16)"
    assert describe(drop_plan(16, ())) == "keep all 16 layers"
    attention = Plan(16, (DropPart("attention", (3, 5)),))
    assert describe(attention) == "drop the attention of layers 3, 5 (2 of 16 layers keep only their MLP)"
    both = Plan(16, (DropPart("mlp", (1,)), Drop((4,))))
    assert describe(both) == "drop layer 4 (1 of 16), drop the MLP of layer 1 (1 of 16 layers keeps only its attention)"
    assert both.removed == (4,) and attention.removed == () and attention.kept == tuple(range(16))
    assert layers_without(both, "mlp") == (1,) and layers_without(both, "attention") == ()
    with pytest.raises(UserError, match="runs backwards"):
        layers_from_words("9-3")


@given(st.integers(0, 200), st.integers(1, 200))
def test_a_block_is_found_again_by_its_key(start, size):
    block = Block(start, start + size)
    assert Block.from_key(block.key) == block and block.key == f"{start}-{start + size}"


@pytest.mark.parametrize("key", ["", "9", "9-", "-9", "9-13-2", "a-b", "13-9", "9-9", " 9-13"])
def test_what_is_no_key_is_refused_in_a_sentence(key):
    with pytest.raises(UserError, match=r"^.*\.$"):
        Block.from_key(key)
