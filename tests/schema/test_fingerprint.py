"""Fingerprints change with what changes results, and with nothing else."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from prune_core.pipeline.specs import InspectSpec, MeasureSpec, PreviewSpec, SkillMapSpec
from prune_core.schema import demo as shipped
from prune_core.schema import fingerprint
from prune_core.schema.evaluation import Evaluation
from prune_core.schema.inputs import Calibration, HeldOut, ModelRef
from prune_core.schema.plan import drop_plan
from prune_core.schema.run import RunSpec


def of(spec: object) -> str:
    found = fingerprint.fingerprint(spec)
    assert len(found) == 16
    assert int(found, 16) >= 0
    return found


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A demo of a few bytes in place of the real one."""
    write_demo(tmp_path / "here")
    point_at(tmp_path / "here", monkeypatch)
    return tmp_path / "here"


def write_demo(root: Path) -> None:
    for name, text in {
        "model/config.json": "{}",
        "model/model.safetensors": "weights",
        "calibration.txt": "some text",
        "heldout.txt": "other text",
        "tasks/skill.yaml": "task: skill",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def point_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "DEMO_MODEL", root / "model")
    monkeypatch.setattr(shipped, "CALIBRATION_TEXT", root / "calibration.txt")
    monkeypatch.setattr(shipped, "HELDOUT_TEXT", root / "heldout.txt")
    monkeypatch.setattr(shipped, "TASKS", root / "tasks")


SPECS = (
    InspectSpec(ModelRef()),
    MeasureSpec(ModelRef(), Calibration()),
    PreviewSpec(ModelRef(), Calibration(), drop_plan(4, (1,))),
    RunSpec(ModelRef(), Calibration(), drop_plan(4, (1,)), Evaluation()),
)


def test_every_setting_counts(demo):
    run = SPECS[3]
    variants = [
        *SPECS,
        replace(run, plan=drop_plan(4, (2,))),
        replace(run, plan=drop_plan(4, (1,), "another method")),
        replace(run, calibration=Calibration(seed=1)),
        replace(run, model=ModelRef(dtype="bfloat16")),
        replace(run, evaluation=Evaluation(new_tokens=3)),
        replace(run, evaluation=Evaluation(fewshot=0)),
        replace(run, evaluation=Evaluation(task_limit=3)),
        replace(run, evaluation=Evaluation(heldout=HeldOut(stride=7))),
    ]
    assert len({of(spec) for spec in variants}) == len(variants)
    assert of(RunSpec(ModelRef(), Calibration(), drop_plan(4, (1,)), Evaluation())) == of(run)


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("model/config.json", (True, True, True, True)),
        ("model/model.safetensors", (True, True, True, True)),
        ("calibration.txt", (False, True, True, True)),
        ("heldout.txt", (False, False, False, True)),
        ("tasks/skill.yaml", (False, False, False, True)),
    ],
)
def test_content_of_the_demo_counts_where_it_is_read(demo, changed, counts):
    before = [of(spec) for spec in SPECS]
    (demo / changed).write_text("changed!")
    assert tuple(old != of(spec) for old, spec in zip(before, SPECS, strict=True)) == counts


def test_a_moved_or_copied_demo_keeps_its_results(demo, tmp_path, monkeypatch):
    before = [of(spec) for spec in SPECS]
    shutil.copytree(demo, tmp_path / "there")  # new times, same content
    for file in (tmp_path / "there").rglob("*.*"):
        os.utime(file, ns=(1, 1))
    point_at(tmp_path / "there", monkeypatch)
    assert [of(spec) for spec in SPECS] == before


def test_a_local_model_counts_by_name_size_and_time(tmp_path):
    write_demo(tmp_path)
    spec = MeasureSpec(ModelRef(str(tmp_path / "model")), Calibration(str(tmp_path / "calibration.txt")))
    seen = [of(spec)]
    assert of(spec) == seen[0]
    os.utime(tmp_path / "model" / "model.safetensors", ns=(1, 1))
    seen.append(of(spec))
    (tmp_path / "model" / "tokenizer.json").write_text("{}")
    seen.append(of(spec))
    (tmp_path / "calibration.txt").write_text("more")
    seen.append(of(spec))
    (tmp_path / "model" / "picture.png").write_text("not read")
    assert of(spec) == seen[-1]
    assert len(set(seen)) == 4


def test_a_hub_model_counts_by_the_commit_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    spec = MeasureSpec(ModelRef("someone/model"), Calibration("someone/texts"))
    unknown = of(spec)
    repo = tmp_path / "models--someone--model"
    seen = set()
    for commit in ("a" * 40, "b" * 40):
        (repo / "refs").mkdir(parents=True, exist_ok=True)
        (repo / "refs" / "main").write_text(commit)
        (repo / "snapshots" / commit).mkdir(parents=True)
        (repo / "snapshots" / commit / "config.json").write_text("{}")
        seen.add(of(spec))
        assert fingerprint.model_identity(spec.model)["commit"] == commit
    assert len(seen | {unknown}) == 3
    assert of(replace(spec, calibration=Calibration("someone/texts", subset="small"))) not in seen


@pytest.mark.parametrize("path", ["/no/such/folder", "no such id", "", "../up", "a/b/c/d", "~nobody"])
def test_a_path_that_is_not_there_still_has_a_fingerprint(path):
    of(MeasureSpec(ModelRef(path), Calibration("/no/such/file.txt")))


def test_the_version_of_the_algorithms_counts(demo, monkeypatch):
    before = of(SPECS[1])
    monkeypatch.setattr(fingerprint, "MEASURES_VERSION", fingerprint.MEASURES_VERSION + 1)
    assert of(SPECS[1]) != before


def test_no_heavy_import():
    code = "import sys; from prune_core.schema import demo, fingerprint, wording; print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not any(f"'{name}'" in modules for name in ("torch", "transformers", "datasets"))


def test_a_task_file_counts_by_its_content(tmp_path):
    file = tmp_path / "items.jsonl"
    run = replace(SPECS[3], evaluation=Evaluation(tasks=(str(file),), task_folder=None))
    skills = SkillMapSpec(ModelRef(), (str(file),), None)
    seen = [(of(run), of(skills))]
    for text in ("one", "two"):
        file.write_text(text)
        seen.append((of(run), of(skills)))
    assert len({name for pair in seen for name in pair}) == 6


@pytest.mark.parametrize("name", ["below/skill.yaml", "below/items.jsonl", "items.csv", "items.parquet", "made.py"])
def test_all_that_a_task_is_made_of_counts(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    run = replace(SPECS[3], evaluation=Evaluation(task_folder=str(tmp_path)))
    skills = SkillMapSpec(ModelRef(), task_folder=str(tmp_path))
    seen = [(of(run), of(skills))]
    for text in ("one", "two"):
        file.write_text(text)
        seen.append((of(run), of(skills)))
    assert len({name for pair in seen for name in pair}) == 6
