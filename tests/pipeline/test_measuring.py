"""Every finished part of a run is kept by itself: nothing is measured twice, and a donor's figures serve other runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prune_core.pipeline import measuring
from prune_core.pipeline.house import open_store
from prune_core.schema import serial
from prune_core.schema.inputs import HeldOut
from prune_core.schema.plan import drop_plan
from prune_core.schema.reports import Agreement, Outcomes
from prune_core.schema.run import RunResult, RunSpec
from prune_core.schema.wording import metric_in_words, retained
from prune_core.store.store import Store
from tests.fixtures.small_run import LAYERS, lasting, run_here, small_spec

MEASURES = ("perplexity", "score_task", "continuations", "agreement", "speed", "memory")


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> RunSpec:
    spec = small_spec(tmp_path_factory.mktemp("model"))
    folder = Path(spec.evaluation.task_folder or "")
    (folder / "more.jsonl").write_text((folder / "items.jsonl").read_text())
    return replace(spec, evaluation=replace(spec.evaluation, tasks=("tiny_letters", "more.jsonl")))


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The names of what is measured, in turn; setting `calls.stop` to a name makes it fail there."""

    class Calls(list):
        stop = ""

    made = Calls()

    def counted(name, measure):
        def call(*args, **kwargs):
            made.append(name)
            if name == made.stop:
                raise RuntimeError(f"stopped at {name}")
            return measure(*args, **kwargs)

        return call

    for name in MEASURES:
        monkeypatch.setattr(measuring, name, counted(name, getattr(measuring, name)))
    return made


def whole(store: Store, run_id: str, spec: RunSpec) -> RunResult:
    job = run_here(store, run_id, spec)
    assert job.state == "done", job.error
    result = store.result(run_id)
    assert isinstance(result, RunResult)
    return result


def test_a_run_stopped_at_each_part_goes_on_from_there(spec, tmp_path, calls):
    plain = lasting(whole(open_store(tmp_path / "plain"), "run-a", spec))
    assert len(calls) == 2 * 4 + 1 + 1 + 2  # two models: perplexity, two tasks, texts; agreement; speed; two memories
    store, resumed = open_store(tmp_path / "stopped"), []
    for name in MEASURES:
        calls.clear()
        calls.stop = name
        assert run_here(store, "run-a", spec).state == "failed"
        resumed += calls[:-1]
    calls.clear()
    calls.stop = ""
    assert lasting(whole(store, "run-a", spec)) == plain
    assert len(resumed) + len(calls) == 12  # none of them twice


@pytest.mark.parametrize("changed", ["text.txt", "tasks/items.jsonl", "model/model.safetensors"])
def test_parts_of_another_text_task_or_model_are_not_mixed(tmp_path, calls, changed):
    (tmp_path / "files").mkdir()
    spec, store = small_spec(tmp_path / "files"), open_store(tmp_path / "home")
    calls.stop = "speed"
    assert run_here(store, "run-a", spec).state == "failed"
    calls.stop = ""
    file = tmp_path / "files" / changed
    before = file.read_bytes()
    file.write_bytes(before + b"\n" if file.suffix != ".safetensors" else before)
    job = run_here(store, "run-a", spec)
    assert job.state == "failed" and "has changed since this run started" in (job.error or "")
    assert run_here(store, "run-b", spec).state == "done"


def test_donors_figures_serve_the_next_run_but_for_what_was_changed(spec, tmp_path, calls):
    store = open_store(tmp_path)
    first = whole(store, "run-a", spec)
    for n, (change, again) in enumerate(
        (
            ({}, []),
            ({"prompts": ("other",)}, ["continuations"]),
            ({"task_limit": 5}, ["score_task"] * 2),
            ({"fewshot": 1}, ["score_task"] * 2),
            ({"tasks": ("tiny_letters",)}, []),
            ({"heldout": replace(spec.evaluation.heldout, stride=8)}, ["perplexity"]),
        )
    ):
        calls.clear()
        other = replace(spec, plan=drop_plan(LAYERS, (2,)), evaluation=replace(spec.evaluation, **change))
        result = whole(store, f"run-{n}", other)
        own = 2 + len(other.evaluation.tasks) + 4  # of the pruned model: perplexity, texts, tasks; of both: four
        assert len(calls) == own + len(again), (change, calls)
        assert all(calls.count(name) >= 2 for name in again)
        if not change:
            assert [m for m in result.donor.metrics if m.name == "acc"] == [
                m for m in first.donor.metrics if m.name == "acc"
            ]


def test_what_a_run_says_of_its_donor(spec, tmp_path):
    store = open_store(tmp_path)
    result = whole(store, "run-a", spec)
    agreed = result.agreement
    assert agreed is not None
    names = [metric.name for metric in agreed.metrics]
    assert names[:2] == ["KL from donor", "same likeliest token"]
    assert {"retained performance, acc", "Stability"} <= set(names)
    rows = {(row.task, row.metric): row for row in agreed.retention}
    assert set(rows) == {("tiny_letters", "acc"), ("more", "acc"), ("more", "acc_norm"), ("mean of 2 tasks", "acc")}
    kept = {}
    for label, folder in (("pruned", "run-a"), ("donor", next(store.home.glob("runs/donor-*/parts/task more.json")))):
        file = store.folder("run-a") / "parts" / "task more.json" if label == "pruned" else folder
        kept[label] = serial.from_json(Outcomes, json.loads(file.read_text())["outcomes"])
    row = rows["more", "acc"]
    pairs = list(zip(kept["donor"].right["acc"], kept["pruned"].right["acc"], strict=True))
    assert (row.lost, row.won, row.items) == (pairs.count((1, 0)), pairs.count((0, 1)), len(pairs))
    accuracies = [
        next(m.value for m in report.metrics if (m.task, m.name) == ("more", "acc"))
        for report in (result.donor, result.pruned)
    ]
    assert (row.donor, row.pruned) == pytest.approx(tuple(accuracies))
    card = (store.folder("run-a") / result.checkpoint / "README.md").read_text()
    assert f"| more acc | {retained(row)} | {row.lost} | {row.won} | {row.items} |" in card
    assert f"| KL from donor, text.txt | {metric_in_words(agreed.metrics[0])} |" in card


def test_a_run_without_tasks_and_one_of_an_older_version(spec, tmp_path):
    bare = replace(spec, evaluation=replace(spec.evaluation, tasks=(), task_folder=None, prompts=()))
    result = whole(open_store(tmp_path), "run-a", bare)
    assert result.agreement is not None
    assert result.agreement.retention == ()
    assert [m.name for m in result.agreement.metrics] == ["KL from donor", "same likeliest token"]
    data = serial.to_json(result)
    del data["agreement"]
    assert serial.from_json(RunResult, data) == replace(result, agreement=None)
    assert serial.from_json(Agreement, serial.to_json(result.agreement)) == result.agreement


def test_an_empty_plan_agrees_with_its_donor(spec, tmp_path):
    result = whole(open_store(tmp_path), "run-a", replace(spec, plan=drop_plan(LAYERS, ())))
    assert result.agreement is not None
    values = {metric.name: metric.value for metric in result.agreement.metrics}
    assert values["KL from donor"] == 0
    assert values["same likeliest token"] == values["Stability"] == values["retained performance, acc"] == 1
    assert all(row.verdict in ("kept", "at chance") for row in result.agreement.retention)
    assert all(row.low <= 0 <= row.high and row.lost == row.won == 0 for row in result.agreement.retention)
    assert all(row.chance is not None and row.donor_stderr is not None for row in result.agreement.retention)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": ("tiny_leters",)}, "no task called 'tiny_leters'"),
        ({"heldout": HeldOut("nowhere.txt", context=32, stride=16)}, "no text file nowhere.txt"),
        ({"heldout": HeldOut(context=4096, stride=16)}, "choose a shorter context"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_built(spec, tmp_path, change, message):
    store = open_store(tmp_path)
    job = run_here(store, "run-a", replace(spec, evaluation=replace(spec.evaluation, **change)))
    assert job.state == "failed" and message in (job.error or "")
    assert not (store.folder("run-a") / "checkpoint").exists()
