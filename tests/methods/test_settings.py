"""Settings as data, in words and in JSON; and that no method needs torch or time."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from prune_core.methods import METHODS, AnyMethod, method_named
from prune_core.methods.base import Measured
from prune_core.methods.laco import LaCo
from prune_core.methods.settings import from_words, settings_of, with_words
from prune_core.pipeline.specs import AnySpec, PlanSpec
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import Calibration, ModelRef
from prune_core.schema.measures import LayerStats

DEEP = 80


@pytest.mark.parametrize("method", METHODS)
def test_every_setting_can_be_shown_and_written(method):
    for each in settings_of(method):
        assert each.label and each.help.endswith(".")
        assert each.kind in (int, float, str)
        assert each.default is None or isinstance(each.default, each.kind)
        assert each.default is not None or each.optional
    words = {each.name: "" if each.default is None else str(each.default) for each in settings_of(method)}
    assert with_words(method(), words) == method()
    for settings in method.presets.values():
        method(**settings)


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_recipes(method):
    spec = PlanSpec(ModelRef(), Calibration(), method(), 3)
    assert serial.from_json(AnySpec, json.loads(serial.dumps(spec))) == spec
    assert serial.from_json(AnyMethod, serial.to_json(method())) == method()


def test_settings_in_words():
    laco = from_words(method_named("laco"), ["threshold=0.7", " rule = telescoped", "highest="], None)
    assert laco == LaCo(threshold=0.7, rule="telescoped")
    assert from_words(method_named("laco"), [], 4) == LaCo(threshold=None)
    assert from_words(method_named("laco"), ["threshold=0.7"], 4) == LaCo(threshold=0.7)
    for words in (["threshold"], ["threshold=high"], ["span=2.5"], ["rule=mean"], ["colour=red"], ["threshold=2"]):
        with pytest.raises(UserError, match=r"^[A-Z'].*\.$"):
            from_words(method_named("laco"), words, None)
    with pytest.raises(UserError, match="choose one of shortgpt"):
        method_named("magic")


@pytest.mark.parametrize("method", [method for method in METHODS if method.needs != "search"])
def test_planning_again_for_80_layers_takes_less_than_a_blink(method):
    rng = np.random.default_rng(0)
    values = {name: rng.random((DEEP + 1, DEEP + 1)) for name in ("cosine", "angular", "angular_last", "cka")}
    evidence = Measured(DEEP, LayerStats(DEEP, values, values, 1, 1))
    begun = time.process_time()
    assert len(method().plan(evidence, 20).removed) == 20
    assert time.process_time() - begun < 0.1


def test_searches_need_a_model():
    for method in METHODS:
        if method.needs == "search":
            with pytest.raises(UserError, match="run it as a job"):
                method().plan(Measured(16), 2)
        if method.needs == "similarity":
            with pytest.raises(UserError, match="measure the layers first"):
                method().plan(Measured(16), 2)


def test_methods_import_no_torch():
    code = "import sys, prune_core.methods; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
