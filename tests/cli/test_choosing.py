"""A method chooses on the command line; the recipe that it leaves holds its plan."""

import pytest

from prune_core.cli import choosing
from prune_core.export.recipes import read_recipe
from prune_core.methods import METHODS, settings_of
from prune_core.schema.errors import UserError
from prune_core.schema.plan import drop_plan
from tests.cli.commands import output


def test_every_method_is_listed_with_its_source_and_settings(capsys) -> None:
    choosing.methods()
    listed = capsys.readouterr().out
    assert listed == output("methods")
    for method in METHODS:
        assert f"{method.name}: {method.label} ({method.source})." in listed
        assert all(f"    {each.name}=" in listed for each in settings_of(method))


def test_a_plan_is_printed_and_written_as_a_recipe(model, tmp_path) -> None:
    out = tmp_path / "cut.json"
    given = ["plan", "--model", model, "--budget", "2", "--device", "cpu"]
    assert "drop layers 2 to 3 (2 of 4)" in output(*given, "--method", "last", "--out", str(out))
    spec = read_recipe(out)
    assert spec.plan == drop_plan(4, [2, 3], "last") and spec.model.path == model
    with pytest.raises(UserError, match="choose one of"):
        output(*given, "--method", "magic")
