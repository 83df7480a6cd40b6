"""Every question says what asking it again means, and how its job stands comes back from JSON."""

import typing

import pytest

from prune_core.pipeline.specs import AnySpec
from prune_core.schema import serial
from prune_core.schema.job import Answer, Job, State


@pytest.mark.parametrize("spec", typing.get_args(AnySpec), ids=lambda spec: spec.__name__)
def test_every_spec_answers_the_protocol(spec) -> None:
    assert spec.answer in typing.get_args(Answer) and isinstance(spec.quick, bool)
    assert spec.kind == typing.get_args(typing.get_type_hints(spec)["kind"])[0]


def test_kinds_name_one_spec_each() -> None:
    kinds = [spec.kind for spec in typing.get_args(AnySpec)]
    assert len(set(kinds)) == len(kinds) and all(kind.isalpha() for kind in kinds)


@pytest.mark.parametrize("state", typing.get_args(State))
def test_a_job_comes_back_from_json(state) -> None:
    job = Job("run-1", "run", state, "measuring", 3, 7, "texts", 1.5, "why", 2)
    assert serial.from_json(Job, serial.to_json(job)) == job
