"""A recipe file holds what was typed, and what was not typed as it is."""

import pytest

from prune_core.cli.recipe import recipe
from prune_core.export.recipes import read_recipe
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.plan import Drop, DropPart, Replace
from prune_core.schema.presets import TASK_PRESETS
from tests.cli.commands import output


def test_cuts_of_every_kind_and_tasks_by_name(model, tmp_path) -> None:
    out = tmp_path / "cut.json"
    words = ["--model", model, "--device", "cpu", "--drop", "0", "--replace", "2-3", "--by", "layer"]
    output("recipe", str(out), *words, "--drop-attention", "1", "--preset", "zero-shot", "--limit", "5")
    spec = read_recipe(out)
    kinds = {type(edit): edit for edit in spec.plan.edits}
    assert kinds[Drop].layers == (0,) and kinds[Replace].block.layers == (2, 3) and kinds[DropPart].layers == (1,)
    preset = next(each for each in TASK_PRESETS if each.name == "zero-shot")
    assert (spec.evaluation.tasks, spec.evaluation.task_limit) == (preset.tasks, 5)
    assert spec.evaluation.heldout == Evaluation().heldout and spec.evaluation.prompts == Evaluation().prompts


def test_no_tasks_another_context_and_nothing_cut(model, tmp_path, capsys) -> None:
    out = tmp_path / "cut.json"
    recipe(out, model=model, tasks="", context=64, prompt=["Once"], device="cpu")
    spec = read_recipe(out)
    assert spec.evaluation.tasks == () and spec.evaluation.prompts == ("Once",) and not spec.plan.edits
    assert (spec.evaluation.heldout.context, spec.evaluation.heldout.stride) == (64, Evaluation().heldout.stride)
    assert "(add --drop to cut some)" in capsys.readouterr().out
    with pytest.raises(UserError, match="both name tasks"):
        recipe(out, model=model, tasks="arc_easy", preset="mmlu")
