"""Recipes that come back from a file."""

import pytest

from prune_core.export.recipes import parse_recipe
from prune_core.schema.errors import UserError
from prune_core.schema.plan import Block
from prune_core.schema.serial import dumps
from tests.fixtures.stored import result, run_spec


def test_a_recipe_comes_back():
    spec = run_spec(3)
    assert parse_recipe(dumps(spec).encode(), "r.json") == spec


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[1]", "does not say that it is one"),
        (dumps(result()).encode(), "holds a RunResult"),
        (dumps(Block(1, 2)).encode(), "holds a Block"),
        (b'{"type": "RunSpec"}', "cannot be read"),
        (dumps(run_spec(1)).replace('"seed"', '"sead"').encode(), "no setting 'sead'"),
    ],
)
def test_a_wrong_file_is_told_in_a_sentence(content, says):
    with pytest.raises(UserError, match=r"r\.json") as told:
        parse_recipe(content, "r.json")
    assert says in str(told.value)
