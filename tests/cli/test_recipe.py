"""A recipe file holds what was typed, and what was not typed as it is."""

import pytest

from prune_core.cli.recipe import TASK_NAMES, WINDOW_NAMES
from prune_core.export.recipes import read_recipe
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.plan import Drop, DropPart, Replace
from prune_core.schema.presets import TASK_PRESETS, WINDOW_PRESETS
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


def test_no_tasks_another_context_and_nothing_cut(model, tmp_path) -> None:
    out = tmp_path / "cut.json"
    given = ["recipe", str(out), "--model", model, "--device", "cpu"]
    printed = output(*given, "--tasks", "", "--context", "64", "--prompt", "Once")
    spec = read_recipe(out)
    assert spec.evaluation.tasks == () and spec.evaluation.prompts == ("Once",) and not spec.plan.edits
    assert (spec.evaluation.heldout.context, spec.evaluation.heldout.stride) == (64, Evaluation().heldout.stride)
    assert "(add --drop to cut some)" in printed
    with pytest.raises(UserError, match="both name tasks"):
        output(*given, "--tasks", "arc_easy", "--preset", "mmlu")


def test_the_help_names_every_preset() -> None:
    printed = " ".join(output("recipe", "--help").replace("│", " ").split())
    assert all(each.name in TASK_NAMES for each in TASK_PRESETS)
    assert all(each.name in WINDOW_NAMES for each in WINDOW_PRESETS)
    for names in (TASK_NAMES, WINDOW_NAMES):
        assert all(name in printed for name in names.split(", "))
