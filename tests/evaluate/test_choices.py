"""Tasks answered again and again, item by item, as lm-eval scores them."""

from pathlib import Path

import numpy as np
import pytest

from prune_core.cut.preview import planned
from prune_core.evaluate.choices import choices
from prune_core.evaluate.tasks import run_tasks
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.plan import drop_plan
from prune_core.schema.progress import Silent
from prune_core.schema.skill_map import SkillMap
from tests.fixtures.letter_task import ITEMS, letter_tasks
from tests.fixtures.tiny import tiny_model, tiny_tokenizer

LAYERS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return letter_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def model():
    return tiny_model("llama", LAYERS)


@pytest.mark.parametrize("fewshot", [None, 2])
def test_means_and_errors_are_those_of_lm_eval_for_donor_and_planned_models(model, folder, fewshot):
    evaluation = Evaluation(tasks=("even", "uneven"), task_folder=str(folder), task_limit=ITEMS, fewshot=fewshot)
    items = choices(model, tiny_tokenizer(), evaluation, Silent())
    seen = set()
    for dropped in ((), (0,), (1,), (2, 3)):
        with planned(model, drop_plan(LAYERS, dropped)):
            right = items.right()
            theirs = {(m.task, m.name): m for m in run_tasks(model, tiny_tokenizer(), evaluation)}
        assert set(right) == set(theirs) == {(t, m) for t in ("even", "uneven") for m in ("acc", "acc_norm")}
        donor = np.concatenate(list(right.values()))
        none = np.zeros(0, dtype=np.int64)
        found = SkillMap(LAYERS, 1, items.skills(right), none, np.zeros((0, len(donor))), donor, LAYERS)
        for skill, value, stderr in zip(found.skills, found.donor, found.donor_stderr, strict=True):
            metric = theirs[skill.task, skill.metric]
            assert value == metric.value
            assert stderr == pytest.approx(metric.stderr, rel=1e-12)
            assert (skill.items, skill.chance) == (metric.samples, metric.chance)
        seen.add(tuple(donor))
    assert len(seen) > 2  # the planned models do not all answer alike


def test_a_task_that_writes_is_refused_and_so_is_no_task(model, folder):
    for tasks, message in ((("free",), "task free is not multiple-choice"), ((), "no task")):
        with pytest.raises(UserError, match=message):
            choices(model, tiny_tokenizer(), Evaluation(tasks=tasks, task_folder=str(folder)), Silent())
