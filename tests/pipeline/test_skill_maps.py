"""The map of skills: its numbers are lm-eval's, its errors those of the formulas, and a stopped job goes on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from prune_core.__main__ import app
from prune_core.cut.preview import planned
from prune_core.evaluate.tasks import run_tasks
from prune_core.model.load import load
from prune_core.pipeline.house import open_store
from prune_core.pipeline.residents import Resident
from prune_core.pipeline.skill_maps import map_skills
from prune_core.pipeline.specs import SkillMapSpec
from prune_core.schema import serial
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import ModelRef
from prune_core.schema.job import Job
from prune_core.schema.plan import drop_plan
from prune_core.schema.progress import Silent
from prune_core.schema.skill_map import SkillMap, skills_csv
from prune_core.store import jobs, worker
from tests.fixtures.letter_task import ITEMS, letter_tasks
from tests.fixtures.maps import skill_map_of
from tests.fixtures.tiny import tiny_model, tiny_tokenizer

LAYERS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return letter_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def model():
    return tiny_model("llama", LAYERS)


@pytest.fixture
def spec(folder, tmp_path) -> SkillMapSpec:
    tiny_model("llama", LAYERS).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    return SkillMapSpec(ModelRef(str(tmp_path / "model"), device="cpu"), ("even", "uneven"), str(folder), ITEMS)


def test_a_cancelled_map_is_kept_and_gone_on_with(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "WRITE_EVERY_S", 0.0)
    store, resident = open_store(tmp_path / "home"), Resident(load(spec.model))
    run_id, whole_id = jobs.job_id(spec), "skillmap-whole"

    def run(run_id, spec, progress):
        return map_skills(store, run_id, resident, spec, progress)

    totals: list[int] = []

    def cancel_half_way(job: Job) -> None:
        totals.append(job.total)
        if job.unit == "answers" and job.done > job.total // 2:
            jobs.cancel(store, run_id)

    assert jobs.take(store, spec, whole_id)
    worker.execute(store, whole_id, run)
    whole = store.result(whole_id)
    assert jobs.take(store, spec, run_id)
    job = worker.execute(store, run_id, run, cancel_half_way)
    assert job is not None and job.state == "cancelled"
    so_far = store.partial(run_id)
    assert isinstance(so_far, SkillMap) and isinstance(whole, SkillMap)
    assert 0 < len(so_far.starts) < so_far.planned == LAYERS == len(whole.starts)

    assert jobs.take(store, spec, run_id)
    left: list[int] = []
    job = worker.execute(store, run_id, run, lambda job: left.append(job.total if job.unit == "answers" else 0))
    assert job is not None and job.state == "done"
    assert max(left) == (LAYERS - len(so_far.starts)) * 2 * ITEMS * 3 < max(totals)
    again = store.result(run_id)
    assert isinstance(again, SkillMap) and store.partial(run_id) is None
    np.testing.assert_array_equal(again.right, whole.right)
    np.testing.assert_array_equal(again.donor_right, whole.donor_right)
    assert again.skills == whole.skills and again.note.endswith(", 0-shot")


def test_blocks_of_two(spec, tmp_path):
    store, resident = open_store(tmp_path / "home"), Resident(load(spec.model))
    store.save_spec("skillmap-x", spec)
    found = map_skills(store, "skillmap-x", resident, replace(spec, size=2), Silent())
    assert [block.layers for block in found.blocks] == [(0, 1), (1, 2), (2, 3)]
    evaluation = Evaluation(tasks=spec.tasks, task_folder=spec.task_folder, task_limit=ITEMS)
    with planned(resident.loaded.model, drop_plan(LAYERS, (1, 2))):
        theirs = run_tasks(resident.loaded.model, tiny_tokenizer(), evaluation)
    assert found.accuracy[1].tolist() == [metric.value for metric in theirs]
    for size in (0, LAYERS):
        with pytest.raises(UserError, match="cannot be dropped"):
            map_skills(store, "skillmap-x", resident, replace(spec, size=size), Silent())


def test_on_the_command_line(spec, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_HOME", str(tmp_path / "home"))
    table = tmp_path / "skills.csv"
    given = [
        spec.model.path,
        "--tasks",
        "even, uneven",
        "--task-folder",
        str(folder),
        "--limit",
        "6",
        "--device",
        "cpu",
    ]
    found = CliRunner().invoke(app, ["skillmap", *given, "--csv", str(table)], catch_exceptions=False)
    assert found.exit_code == 0
    assert "layer 0" in found.output and "uneven" in found.output
    lines = table.read_text().splitlines()
    assert len(lines) == 1 + LAYERS * 4
    assert lines[1].startswith("0,1,even,acc,6,0.333333333,")


# --- numbers and words ------------------------------------------------------------------------------------------------


def test_csv_and_json_hold_every_digit(tmp_path):
    found = skill_map_of([[[1, 0, 1]]], [[1, 1, 1]])
    line = skills_csv(found).splitlines()[1]
    assert line == "0,1,demo_skill_0,acc,3,0.25,1,0,0.666666667,0.333333333,-0.333333333,0.333333333"
    store = open_store(tmp_path)
    store.save_spec("skillmap-x", SkillMapSpec(ModelRef()))
    store.save_result("skillmap-x", found)
    again = store.result("skillmap-x")
    assert isinstance(again, SkillMap)
    np.testing.assert_array_equal(again.right, found.right)
    assert serial.to_json(again.skills) == serial.to_json(found.skills)
