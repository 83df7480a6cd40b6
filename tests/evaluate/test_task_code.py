"""Code that task files bring along runs only where their folder is trusted."""

import json
import os
import textwrap
from pathlib import Path

import pytest

from prune_core.evaluate.task_code import TRUST, is_trusted
from prune_core.evaluate.tasks import run_tasks
from prune_core.schema import demo
from prune_core.schema.errors import UserError
from prune_core.schema.evaluation import Evaluation
from tests.fixtures.letter_task import FROM_FILE
from tests.fixtures.tiny import tiny_model, tiny_tokenizer

EVIL = """
    import pathlib


    pathlib.Path(__file__).with_name("ran").touch()


    def load(**_):
        return {}
"""


SIDE_EFFECT = """
    task: looks_harmless
    dataset_path: json
    dataset_kwargs:
      data_files:
        test: items.jsonl
    test_split: test
    output_type: multiple_choice
    process_docs: !function evil.load
    doc_to_text: "{{query}}"
    doc_to_choice: "{{choices}}"
    doc_to_target: gold
"""


TEMPLATE = """
    task: template
    dataset_path: json
    dataset_kwargs:
      data_files:
        test: items.jsonl
    test_split: test
    output_type: multiple_choice
    doc_to_text: "{{ cycler.__init__.__globals__.os.popen('touch ' + folder).read() }}"
    doc_to_choice: "{{choices}}"
    doc_to_target: gold
"""


@pytest.fixture
def hostile(tmp_path, monkeypatch) -> Path:
    """A folder with a harmless task, one whose function leaves a file called "ran", and one whose template would."""
    monkeypatch.delenv(TRUST, raising=False)
    texts = {"letters.yaml": FROM_FILE, "evil.yaml": SIDE_EFFECT, "evil.py": EVIL, "template.yaml": TEMPLATE}
    for name, text in texts.items():
        (tmp_path / name).write_text(textwrap.dedent(text).strip() + "\n")
    items = [{"query": "a", "choices": ["b", "c"], "gold": 0, "folder": str(tmp_path / "ran")}] * 3
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, items)))
    return tmp_path


def test_a_task_files_function_runs_only_where_its_folder_is_trusted(hostile, monkeypatch):
    ask = Evaluation(tasks=("looks_harmless",), task_folder=str(hostile))
    with pytest.raises(UserError, match=r"would run its own code .*evil.load.*LAYERSCOPE_TRUST_TASKS"):
        run_tasks(tiny_model("llama"), tiny_tokenizer(), ask)
    assert not (hostile / "ran").exists()
    monkeypatch.setenv(TRUST, str(hostile))
    with pytest.raises(Exception):  # noqa: B017, PT011  its function gives nothing that could be scored; it ran
        run_tasks(tiny_model("llama"), tiny_tokenizer(), ask)
    assert (hostile / "ran").exists()


def test_a_harmless_task_beside_one_with_code_runs_and_the_other_does_not(hostile):
    ask = Evaluation(tasks=("tiny_letters",), task_folder=str(hostile))
    assert run_tasks(tiny_model("llama"), tiny_tokenizer(), ask)
    assert not (hostile / "ran").exists()


@pytest.mark.parametrize("how", ["include: evil.yaml\ntask: other", "group: other\ntask: [looks_harmless]"])
def test_code_is_found_behind_includes_and_groups(hostile, how):
    (hostile / "other.yaml").write_text(how + "\n")
    with pytest.raises(UserError, match=r"evil\.load"):
        run_tasks(tiny_model("llama"), tiny_tokenizer(), Evaluation(tasks=("other",), task_folder=str(hostile)))
    assert not (hostile / "ran").exists()


def test_a_template_cannot_reach_python(hostile):
    with pytest.raises(UserError, match="unsafe"):
        run_tasks(tiny_model("llama"), tiny_tokenizer(), Evaluation(tasks=("template",), task_folder=str(hostile)))
    assert not (hostile / "ran").exists()


def test_a_metric_that_would_be_fetched_is_code_too(hostile):
    (hostile / "metric.yaml").write_text("include: letters.yaml\ntask: fetched\nmetric_list: [{metric: ./evil.py}]\n")
    with pytest.raises(UserError, match=r"the metric \./evil\.py"):
        run_tasks(tiny_model("llama"), tiny_tokenizer(), Evaluation(tasks=("fetched",), task_folder=str(hostile)))


def test_trust_is_of_a_folder_and_what_lies_in_it_and_the_demos_own(tmp_path, monkeypatch):
    monkeypatch.delenv(TRUST, raising=False)
    inside, beside = tmp_path / "mine" / "deep", tmp_path / "mine_too"
    assert is_trusted(demo.TASKS) and not any(map(is_trusted, (tmp_path, inside, beside)))
    monkeypatch.setenv(TRUST, os.pathsep.join(("/nowhere", str(tmp_path / "mine"))))
    assert [is_trusted(folder) for folder in (inside.parent, inside, beside, tmp_path)] == [True, True, False, False]


@pytest.mark.parametrize(
    "how",
    [
        "group: other\ntask: [{group: inner, task: [looks_harmless]}]",
        "group: other\ntask: [{group: middle}]",
        "group: other\ntask: [{task: letters_again, include: letters.yaml, metric_list: [{metric: ./evil.py}]}]",
        "include: letters.yaml\ntask: other\nmetric_list: [{metric: acc, hf_evaluate: true}]",
    ],
)
def test_code_is_found_however_deep_it_stands(hostile, how):
    (hostile / "middle.yaml").write_text("group: middle\ntask: [looks_harmless]\n")
    (hostile / "other.yaml").write_text(how + "\n")
    with pytest.raises(UserError, match="would run its own code"):
        run_tasks(tiny_model("llama"), tiny_tokenizer(), Evaluation(tasks=("other",), task_folder=str(hostile)))
    assert not (hostile / "ran").exists()
